//! A CPU does not answer for longer than the limit, which the command line must make one second (`answer=1`, and `test-hooks`): the
//! others go on, without the memory that it might still reach.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::abi::TestHook;
use gatehouse_runtime::memory::{Memory, PAGE_SIZE};
use gatehouse_runtime::test_hook::test_hook;
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::{MILLISECOND, SECOND};
use gatehouse_runtime::{Kernel, entry, println};
use programs::waiting::{system_calls_on, until_so};
use programs::{check, finish, ok};

entry!(run);

/// The CPU that does not answer.
const SILENT: u64 = 1;
/// How long.
const HELD: u64 = 4 * SECOND;
/// Pages of a range.
const PAGES: u64 = 5;

/// System calls of that CPU before the one in which it is held.
static CALLS: AtomicU64 = AtomicU64::new(u64::MAX);

fn run(_: u64) -> u64 {
    let page = ok("a page", Memory::map(PAGE_SIZE));
    let range = ok("a range", Memory::map(PAGES * PAGE_SIZE));
    touch(&page);
    touch(&range);
    let start = Kernel::clock();
    let held = ok("a thread", Thread::spawn(hold, 0, SILENT));
    // Its next call is the one that does not come back soon.
    until_so("held", || system_calls_on(SILENT) > CALLS.load(Ordering::Acquire));
    let before = ok("information", Kernel::system_information()).frames_in_use;

    // The first who asks waits for the limit, the others not even for that.
    let first = timed(|| drop(page));
    check!((SECOND..3 * SECOND).contains(&first), "the first waited for {} ms", first / MILLISECOND);
    let second = timed(|| drop(range));
    check!(second < SECOND, "the second waited for {} ms", second / MILLISECOND);
    let after = ok("information", Kernel::system_information()).frames_in_use;
    check!(after == before, "{before} frames in use before, {after} afterwards: they are kept back");
    check!(Kernel::clock() - start < HELD, "CPU {SILENT} was back before the test was over");

    check!(held.join(60 * SECOND) == Some(0), "CPU {SILENT} does not come back");
    check!(Kernel::ping_cpu(SILENT).is_ok(), "CPU {SILENT} does not answer a ping");
    let again = ok("a page", Memory::map(PAGE_SIZE));
    touch(&again);
    let busy = ok("a thread", Thread::spawn(work, 0, SILENT));
    let third = timed(|| drop(again));
    check!(third < SECOND, "the third waited for {} ms", third / MILLISECOND);
    let last = ok("information", Kernel::system_information()).frames_in_use;
    check!(busy.join(60 * SECOND) == Some(0), "CPU {SILENT} does nothing");
    check!(last >= after, "{after} frames in use, {last} afterwards: those that were kept back are free");
    println!("unanswered_flush: waited for {} ms, then {} ms", first / MILLISECOND, second / MILLISECOND);
    finish(0)
}

fn timed(work: impl FnOnce()) -> u64 {
    let start = Kernel::clock();
    work();
    Kernel::clock() - start
}

fn touch(memory: &Memory) {
    for page in (memory.address()..memory.end()).step_by(PAGE_SIZE as usize) {
        // SAFETY: the memory is mapped, this program's, and holds nothing else.
        unsafe { (page as *mut u64).write_volatile(1) };
    }
}

fn hold(_: u64) -> u64 {
    CALLS.store(system_calls_on(SILENT), Ordering::Release);
    // SAFETY: the hook only takes time.
    let answer = unsafe { test_hook(TestHook::Hold, HELD) };
    check!(answer == Ok(0), "the hook: {answer:?}");
    0
}

fn work(_: u64) -> u64 {
    let end = Kernel::clock() + 100 * MILLISECOND;
    while Kernel::clock() < end {}
    0
}
