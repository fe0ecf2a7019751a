//! Notifications: bits are kept until somebody takes them, waits end by a signal, by time, and with the last capability.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::abi::{EndCause, Error, SLOT_OWN_PROGRAM, ThreadState, rights};
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::SECOND;
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::message::{call, copy_capability, send};
use programs::raw::notification::{create, poll, signal, wait, wait_for};
use programs::waiting::{until_thread, until_threads};
use programs::{check, child, cpus};

entry!(run);

/// What a second instance does: waits for what its first granted slot holds.
const WAIT: u64 = 1;
const WAIT_A_MINUTE: u64 = 2;

/// How many signals each signalling thread makes.
const SIGNALS: u64 = 5000;

fn run(argument: u64) -> u64 {
    use gatehouse_runtime::abi::SLOT_FIRST_FREE;
    let result = match argument {
        WAIT => wait(SLOT_FIRST_FREE),
        WAIT_A_MINUTE => wait_for(SLOT_FIRST_FREE, 60 * SECOND),
        _ => return cases(),
    };
    result.unwrap_or_else(|error| 1000 + error as u64)
}

fn new() -> u64 {
    match create() {
        Ok(notification) => notification,
        Err(error) => programs::wrong(file!(), format_args!("no notification: {error:?}")),
    }
}

fn marked(notification: u64, badge: u64) -> u64 {
    match copy_capability(notification, rights::SEND, badge, 0) {
        Ok(copy) => copy,
        Err(error) => programs::wrong(file!(), format_args!("no copy: {error:?}")),
    }
}

fn cases() -> u64 {
    bits_gather_until_they_are_taken();
    rights_are_needed();
    a_wait_ends_in_time();
    for cpu in 0..cpus() {
        a_signal_wakes(cpu);
        the_last_capability_ends_the_wait(cpu);
        a_program_that_waits_can_be_ended(cpu);
        each_signal_wakes_one(cpu);
    }
    no_signal_is_lost();
    println!("notifications: all cases hold on {} CPUs", cpus());
    0
}

fn bits_gather_until_they_are_taken() {
    let notification = new();
    check!(poll(notification) == Err(Error::WouldBlock), "bits from nobody");
    let (first, second) = (marked(notification, 0x10), marked(notification, 1 << 63 | 3));
    check!(signal(first) == Ok(0) && signal(second) == Ok(0) && signal(first) == Ok(0), "not signalled");
    check!(wait(notification) == Ok(1 << 63 | 0x13), "other bits");
    check!(poll(notification) == Err(Error::WouldBlock), "bits twice");
    check!(signal(notification) == Ok(0), "not signalled");
    check!(poll(notification) == Ok(1), "no badge is bit 0");
    child::delete(&[first, second, notification]);
    check!(signal(notification) == Err(Error::BadCapability), "signalled by a deleted capability");
}

fn rights_are_needed() {
    let notification = new();
    let sends = marked(notification, 0);
    let Ok(receives) = copy_capability(notification, rights::RECEIVE, 0, 0) else {
        programs::wrong(file!(), format_args!("no copy"))
    };
    check!(poll(sends) == Err(Error::NoRight), "waited without the right");
    check!(signal(receives) == Err(Error::NoRight), "signalled without the right");
    for slot in [0, 1, 2, 4000, u64::MAX] {
        check!(signal(slot) == Err(Error::BadCapability), "signalled slot {slot}");
        check!(poll(slot) == Err(Error::BadCapability), "polled slot {slot}");
    }
    let tag = gatehouse_runtime::abi::MessageTag::new(0, 0).non_blocking();
    check!(send(notification, tag, [0; 4]) == Err(Error::BadCapability), "a notification is no endpoint");
    check!(call(notification, tag, [0; 4]) == Err(Error::BadCapability), "a notification is no endpoint");
    child::delete(&[sends, receives, notification]);
}

fn a_wait_ends_in_time() {
    let notification = new();
    for nanoseconds in [1, SECOND / 1000, SECOND / 50] {
        let before = Kernel::clock();
        check!(wait_for(notification, nanoseconds) == Err(Error::WouldBlock), "bits from nobody");
        let taken = Kernel::clock() - before;
        check!(taken >= nanoseconds, "{taken} ns instead of {nanoseconds}");
    }
    check!(signal(notification) == Ok(0), "not signalled");
    check!(wait_for(notification, SECOND) == Ok(1), "the signal was lost");
    child::delete(&[notification]);
}

fn a_signal_wakes(cpu: u64) {
    for what in [WAIT, WAIT_A_MINUTE] {
        let (child, notification) = (child::start("notifications", what, cpu), new());
        check!(copy_capability(notification, rights::RECEIVE, 0, child.program).is_ok(), "not given");
        child::resume(&child);
        until_threads(child.program, 1, ThreadState::AtNotification);
        let source = marked(notification, 77);
        check!(signal(source) == Ok(0), "not signalled");
        check!(child::exit() == 77, "another answer");
        child::forget(&child);
        child::delete(&[source, notification]);
    }
}

fn the_last_capability_ends_the_wait(cpu: u64) {
    for what in [WAIT, WAIT_A_MINUTE] {
        let notification = new();
        let thread = Thread::spawn(wait_and_tell, notification, cpu);
        let Ok(thread) = thread else { programs::wrong(file!(), format_args!("no thread: {thread:?}")) };
        until_thread(thread.number(), ThreadState::AtNotification);
        child::delete(&[notification]);
        let told = thread.join(20 * SECOND);
        check!(told == Some(1000 + Error::Gone as u64), "{what}: {told:?}");
    }
}

fn wait_and_tell(notification: u64) -> u64 {
    wait(notification).unwrap_or_else(|error| 1000 + error as u64)
}

/// It waits, and is killed: by the end of the child that holds its thread, which exits meanwhile.
fn a_program_that_waits_can_be_ended(cpu: u64) {
    let threads = || Kernel::system_information().map_or(0, |system| system.threads);
    let before = threads();
    for what in [WAIT, WAIT_A_MINUTE] {
        let (child, notification) = (child::start("notifications", what, cpu), new());
        check!(copy_capability(notification, rights::RECEIVE, 0, child.program).is_ok(), "not given");
        child::resume(&child);
        until_threads(child.program, 1, ThreadState::AtNotification);
        check!(programs::raw::control::kill_program(child.program) == Ok(0), "not killed");
        let end = child::end();
        check!(end.cause == EndCause::Killed as u64, "{end:x?}");
        child::forget(&child);
        child::delete(&[notification]);
    }
    let gone = gatehouse_runtime::time::wait_until(20 * SECOND, || threads() == before);
    check!(gone, "{before} threads before, {} after", threads());
}

static WOKEN: AtomicU64 = AtomicU64::new(0);

fn each_signal_wakes_one(cpu: u64) {
    const WAITERS: u64 = 3;
    WOKEN.store(0, Ordering::SeqCst);
    let notification = new();
    let threads: [_; WAITERS as usize] = core::array::from_fn(|_| Thread::spawn(wait_and_count, notification, cpu));
    until_threads(SLOT_OWN_PROGRAM, WAITERS as usize, ThreadState::AtNotification);
    for count in 1..=WAITERS {
        check!(signal(notification) == Ok(0), "not signalled");
        let woken = gatehouse_runtime::time::wait_until(5 * SECOND, || WOKEN.load(Ordering::SeqCst) == count);
        check!(woken, "{} of {count} woken", WOKEN.load(Ordering::SeqCst));
    }
    for thread in threads.into_iter().flatten() {
        check!(thread.join(20 * SECOND) == Some(1), "another answer");
    }
    child::delete(&[notification]);
}

fn wait_and_count(notification: u64) -> u64 {
    let bits = wait(notification).unwrap_or(0);
    WOKEN.fetch_add(1, Ordering::SeqCst);
    bits
}

static MADE: AtomicU64 = AtomicU64::new(0);
static STARTED: AtomicU64 = AtomicU64::new(0);

/// Threads on all CPUs count and signal; after the last signal the waiter has seen the last count.
fn no_signal_is_lost() {
    let (notification, count) = (new(), cpus().min(8));
    let mut threads = [const { None }; 8];
    for (cpu, place) in threads.iter_mut().enumerate().take(count as usize) {
        *place = Thread::spawn(count_and_signal, notification, cpu as u64).ok();
    }
    let mut seen = 0;
    while seen < count * SIGNALS {
        match wait_for(notification, 20 * SECOND) {
            Ok(1) => seen = MADE.load(Ordering::SeqCst),
            other => programs::wrong(file!(), format_args!("{seen} seen, then {other:?}")),
        }
    }
    for thread in threads.into_iter().flatten() {
        check!(thread.join(20 * SECOND) == Some(0), "a thread does not end");
    }
    check!(STARTED.load(Ordering::SeqCst) == count, "not all were started");
    child::delete(&[notification]);
}

fn count_and_signal(notification: u64) -> u64 {
    STARTED.fetch_add(1, Ordering::SeqCst);
    for _ in 0..SIGNALS {
        MADE.fetch_add(1, Ordering::SeqCst);
        if signal(notification) != Ok(0) {
            return 1;
        }
    }
    0
}
