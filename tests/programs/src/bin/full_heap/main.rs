//! A kernel whose heap has no room. Of every system call that allocates, each allocation is refused once: the call answers
//! [`Error::OutOfMemory`] and leaves nothing behind. Then the heap is full, for all calls, and for programs and objects that end
//! meanwhile. A first program, for a machine that was booted with the word `test-hooks`.
#![cfg_attr(target_os = "none", no_std, no_main)]

mod calls;
mod ends;
mod fixture;

use gatehouse_runtime::abi::{Error, TestHook};
use gatehouse_runtime::test_hook::test_hook;
use gatehouse_runtime::{entry, println};
use programs::{check, cpus, in_use, nothing_is_left, settled, wrong};

use calls::{CALLS, Call};
use fixture::Fixture;

entry!(run);

fn run(argument: u64) -> u64 {
    match argument {
        0 => cases(),
        fixture::EXITS => 0,
        argument => ends::wait(argument),
    }
}

fn cases() -> u64 {
    // What tables take when they grow, they keep.
    ends::end_in_a_full_heap();
    let before = settled();
    ends::end_in_a_full_heap();
    nothing_is_left(&before);
    let fixture = Fixture::new();
    for call in &CALLS {
        refuse_each(&fixture, call);
    }
    all_in_a_full_heap(&fixture);
    println!("full_heap: all cases hold on {} CPUs", cpus());
    0
}

/// Has a hook do its work on this CPU.
fn hook(hook: TestHook, argument: u64) -> u64 {
    // SAFETY: the hooks that this program uses store nothing anywhere.
    match unsafe { test_hook(hook, argument) } {
        Ok(answer) => answer,
        Err(error) => wrong(file!(), format_args!("{hook:?} was refused: {error:?}")),
    }
}

/// More allocations than any call makes.
const MOST: u64 = 64;

/// Makes the call with its first allocation refused, with its second, and so on until none is.
fn refuse_each(fixture: &Fixture, call: &Call) {
    // What tables take when they grow, they keep.
    match (call.make)(fixture) {
        Ok(made) => (call.undo)(fixture, made),
        Err(error) => wrong(file!(), format_args!("{}: {error:?}", call.name)),
    }
    let before = settled_but_for(fixture);
    for number in 1..=MOST {
        hook(TestHook::RefuseAllocation, number);
        let answer = (call.make)(fixture);
        let left = hook(TestHook::RefuseAllocation, 0);
        match answer {
            Ok(made) => {
                check!(left > 0, "{}: allocation {number} was refused, and nobody is told", call.name);
                (call.undo)(fixture, made);
                nothing_is_left(&before);
                let refused = number - 1;
                check!(refused >= call.allocations, "{}: only {refused} allocations can be refused", call.name);
                println!("full_heap: {}: {refused} allocations refused", call.name);
                return;
            }
            Err(error) => {
                check!(error == Error::OutOfMemory && left == 0, "{}: {number}: {error:?}, {left} left", call.name);
                nothing_is_left(&before);
            }
        }
    }
    wrong(file!(), format_args!("{}: there is no end to it", call.name))
}

/// What is in use, once what has just ended is gone.
fn settled_but_for(fixture: &Fixture) -> gatehouse_runtime::abi::SystemInformation {
    fixture.settle();
    in_use()
}

/// Lets the heap be full while something is done.
fn with_full_heap(work: impl FnOnce()) {
    hook(TestHook::FillHeap, 1);
    work();
    hook(TestHook::FillHeap, 0);
}

/// Makes every call a few times, and objects until there is no room for more.
fn all_in_a_full_heap(fixture: &Fixture) {
    let before = settled_but_for(fixture);
    let mut refused = 0;
    with_full_heap(|| {
        for call in CALLS.iter().cycle().take(3 * CALLS.len()) {
            match (call.make)(fixture) {
                Ok(made) => (call.undo)(fixture, made),
                Err(Error::OutOfMemory) => refused += 1,
                Err(error) => wrong(file!(), format_args!("{}: {error:?}", call.name)),
            }
        }
        refused += calls::endpoints_until_refused();
    });
    check!(refused > 0, "a full heap had room for everything");
    nothing_is_left(&before);
    println!("full_heap: {refused} calls refused by a full heap");
    // And now there is room again.
    for call in &CALLS {
        match (call.make)(fixture) {
            Ok(made) => (call.undo)(fixture, made),
            Err(error) => wrong(file!(), format_args!("{}, after a full heap: {error:?}", call.name)),
        }
    }
}
