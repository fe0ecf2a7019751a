//! Programs and endpoints that end while the heap is full, with threads that wait in every way: nothing of that allocates.

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::Kernel;
use gatehouse_runtime::abi::{EndCause, Error, SLOT_FIRST_FREE, SLOT_OWN_PROGRAM, TestHook, ThreadState, rights};
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::{SECOND, wait_until};
use programs::raw::control::kill_program;
use programs::raw::message::{Suspended, call, copy_capability, create_endpoint, receive, revoke_capability, send};
use programs::raw::notification;
use programs::waiting::until_threads;
use programs::{PLAIN, check, child, cpus, delete, end, endpoint, forget, receive_in_time, start, wrong};

use crate::{hook, with_full_heap};

/// The arguments of instances of this program: threads that wait in every way, ...
const WAITS: u64 = 2;
/// ... one that calls an endpoint of its parent, which goes, ...
const CALLS: u64 = 3;
/// ... and one that waits to be told to use the floating-point unit.
const FLOATS: u64 = 4;

/// Where a child's slots are.
const READY: u64 = SLOT_FIRST_FREE;
const GOES: u64 = SLOT_FIRST_FREE + 1;

/// The vector of #NM, "device not available".
const DEVICE_NOT_AVAILABLE: u64 = 7;

/// Threads that are about to wait.
static ABOUT_TO_WAIT: AtomicU64 = AtomicU64::new(0);

/// Every way to wait.
const WAYS: [fn() -> bool; 6] = [
    || receive(create_endpoint().unwrap_or(0), PLAIN).is_ok(),
    || call(create_endpoint().unwrap_or(0), PLAIN, [0; 4]).is_ok(),
    || notification::wait(notification::create().unwrap_or(0)).is_ok(),
    || notification::wait_for(notification::create().unwrap_or(0), 1000 * SECOND).is_ok(),
    || {
        Kernel::sleep(1000 * SECOND);
        true
    },
    || loop {
        core::hint::spin_loop();
    },
];

/// What instances of this program do that are no first program.
pub fn wait(argument: u64) -> u64 {
    match argument {
        WAITS => wait_in_every_way(),
        CALLS => {
            check!(send(READY, PLAIN, [0; 4]).is_ok(), "not sent");
            let answer = call(GOES, PLAIN, [0; 4]);
            check!(answer == Err(Error::Gone), "{answer:?}");
            0
        }
        FLOATS => {
            check!(send(READY, PLAIN, [0; 4]).is_ok(), "not sent");
            check!(receive(GOES, PLAIN).is_ok(), "not told");
            // SAFETY: the instruction changes a register of the floating-point unit, which this program does not use.
            unsafe { core::arch::asm!("fninit") };
            0
        }
        other => wrong(file!(), format_args!("no instance has the argument {other}")),
    }
}

fn wait_in_every_way() -> u64 {
    let (here, cpus) = (Kernel::cpu_number(), cpus());
    for (number, _) in WAYS.iter().enumerate() {
        let thread = Thread::spawn(wait_in_one_way, number as u64, (here + number as u64) % cpus);
        check!(thread.is_ok(), "no thread: {:?}", thread.err());
    }
    let all = WAYS.len() as u64;
    check!(wait_until(20 * SECOND, || ABOUT_TO_WAIT.load(Ordering::Relaxed) == all), "not all threads run");
    // Those that sleep and those that spin look the same from outside, and may be on their way yet.
    until_threads(SLOT_OWN_PROGRAM, 2, ThreadState::AtEndpoint);
    until_threads(SLOT_OWN_PROGRAM, 2, ThreadState::AtNotification);
    check!(send(READY, PLAIN, [0; 4]).is_ok(), "not sent");
    Kernel::sleep(1000 * SECOND);
    1
}

fn wait_in_one_way(way: u64) -> u64 {
    ABOUT_TO_WAIT.fetch_add(1, Ordering::Relaxed);
    let answer = WAYS[way as usize]();
    wrong(file!(), format_args!("way {way} came back with {answer}"))
}

/// Starts an instance on a CPU, and waits until it is where it is to be.
fn instance(argument: u64, cpu: u64, ready: u64, goes: u64) -> Suspended {
    let instance = child("full_heap", argument, cpu);
    let given = [(ready, rights::SEND), (goes, rights::SEND | rights::RECEIVE)]
        .map(|(slot, rights)| copy_capability(slot, rights, 0, instance.program));
    check!(given == [Ok(READY), Ok(GOES)], "{given:?}");
    start(instance, None);
    let _ = receive_in_time(ready);
    instance
}

/// Ends programs and an endpoint in a full heap.
pub fn end_in_a_full_heap() {
    let last = cpus() - 1;
    let here = Kernel::cpu_number();
    let (ready, goes, told) = (endpoint(), endpoint(), endpoint());
    let killed = [here, last].map(|cpu| instance(WAITS, cpu, ready, goes));
    let never_ran = child("full_heap", WAITS, last);
    let callers = [here, last].map(|cpu| instance(CALLS, cpu, ready, goes));
    let float = instance(FLOATS, here, ready, told);
    // Those that have said that they are ready call right behind.
    for caller in &callers {
        until_threads(caller.program, 1, ThreadState::AtEndpoint);
    }
    with_full_heap(|| {
        for program in killed.iter().chain([&never_ran]) {
            check!(kill_program(program.program).is_ok(), "not killed");
            ends(program, EndCause::Killed);
        }
        check!(revoke_capability(goes).is_ok(), "not revoked");
        delete(goes);
        for _ in &callers {
            let end = end();
            let is_caller = callers.iter().any(|caller| caller.number == end.program);
            check!(is_caller && end.cause == EndCause::Exited as u64 && end.status == 0, "{end:x?}");
        }
        // What ended has left room, which a fresh heap has not.
        hook(TestHook::FillHeap, 1);
        check!(send(told, PLAIN, [0; 4]).is_ok(), "not told");
        let end = end();
        check!(end.program == float.number && end.cause == EndCause::Trap as u64, "{end:x?}");
        check!(end.vector == DEVICE_NOT_AVAILABLE, "{end:x?}");
    });
    for program in killed.into_iter().chain([never_ran, float]).chain(callers) {
        forget(program);
    }
    delete(ready);
    delete(told);
}

fn ends(program: &Suspended, cause: EndCause) {
    let end = end();
    check!(end.program == program.number && end.cause == cause as u64, "{end:x?}");
}
