//! Priorities: whoever is more urgent runs at once, on every CPU, by whatever way it becomes ready; wrong ones are refused.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::abi::{
    DEFAULT_PRIORITY, EndCause, Error, PRIORITIES, SLOT_FIRST_FREE, SLOT_FIRST_THREAD, ThreadState, rights,
};
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::{SECOND, wait_until};
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::control::{kill_program, set_priority};
use programs::raw::message::{SELF, call, copy_capability, receive, reply, reply_receive};
use programs::raw::notification::{create, signal, wait, wait_for};
use programs::waiting::until_thread;
use programs::{PLAIN, check, child, cpus, ok};

entry!(run);

/// What a second instance does: tries priorities; waits for what its first granted slot holds, and counts in the second.
const TRY: u64 = 1;
const WAIT: u64 = 2;

/// Signals for each way of waiting.
const SIGNALS: u64 = 500;
/// More urgent than the first thread.
const URGENT: u64 = DEFAULT_PRIORITY + 4;

fn run(argument: u64) -> u64 {
    match argument {
        TRY => try_priorities(),
        WAIT => wait_and_signal(),
        _ => cases(),
    }
}

fn cases() -> u64 {
    wrong_priorities_are_refused();
    for cpu in 0..cpus() {
        check!(Kernel::move_to_cpu(cpu) == Ok(0), "CPU {cpu} cannot be reached");
        for forever in [1, 0] {
            the_more_urgent_run_at_once(cpu, forever);
        }
        another_program_runs_at_once(cpu);
        the_less_urgent_wait(cpu);
        a_message_runs_nobody_past_the_more_urgent(cpu, serve, false);
        a_message_runs_nobody_past_the_more_urgent(cpu, ask, true);
    }
    println!("priorities: all cases hold on {} CPUs", cpus());
    0
}

/// Less urgent than the first thread, and in between.
const LEAST: u64 = DEFAULT_PRIORITY - 6;
const BETWEEN: u64 = DEFAULT_PRIORITY - 2;

static ENDPOINT: AtomicU64 = AtomicU64::new(0);
/// How far the other threads are, and in which order they ran: the one in between, and the least urgent.
static READY: AtomicU64 = AtomicU64::new(0);
static TURNS: AtomicU64 = AtomicU64::new(0);
static BETWEEN_RAN: AtomicU64 = AtomicU64::new(0);
static LEAST_RAN: AtomicU64 = AtomicU64::new(0);

/// The first thread sends to one that is less urgent than a third, which is ready: that one runs first.
fn a_message_runs_nobody_past_the_more_urgent(cpu: u64, other: fn(u64) -> u64, is_reply: bool) {
    let endpoint = child::endpoint();
    ENDPOINT.store(endpoint, Ordering::SeqCst);
    for number in [&READY, &TURNS, &BETWEEN_RAN, &LEAST_RAN] {
        number.store(0, Ordering::SeqCst);
    }
    let least = Thread::spawn(other, 0, cpu);
    let Ok(least) = least else { programs::wrong(file!(), format_args!("no thread: {least:?}")) };
    // It waits, with its priority.
    check!(wait_until(20 * SECOND, || READY.load(Ordering::SeqCst) == 1), "the least urgent does not come so far");
    until_thread(least.number(), ThreadState::AtEndpoint);
    if is_reply {
        check!(receive(endpoint, PLAIN).is_ok(), "no call");
    }
    let between = Thread::spawn(run_in_between, 0, cpu);
    let Ok(between) = between else { programs::wrong(file!(), format_args!("no thread: {between:?}")) };
    while READY.load(Ordering::SeqCst) != 2 {
        Kernel::yield_now();
    }
    if is_reply {
        check!(reply_receive(endpoint, PLAIN, [0; 4]).is_ok(), "no second call");
        check!(reply(PLAIN, [0; 4]) == Ok(0), "not replied");
    } else {
        check!(call(endpoint, PLAIN, [0; 4]).is_ok(), "no answer");
    }
    check!(least.join(20 * SECOND) == Some(0) && between.join(20 * SECOND) == Some(0), "a thread has not ended well");
    let (first, second) = (BETWEEN_RAN.load(Ordering::SeqCst), LEAST_RAN.load(Ordering::SeqCst));
    check!(first < second, "the less urgent ran first: {first} and {second}");
    child::delete(&[endpoint]);
}

fn run_in_between(_argument: u64) -> u64 {
    READY.store(2, Ordering::SeqCst);
    check!(set_priority(SELF, BETWEEN) == Ok(0), "no priority");
    BETWEEN_RAN.store(TURNS.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
    0
}

/// The least urgent receives, and replies.
fn serve(_argument: u64) -> u64 {
    check!(set_priority(SELF, LEAST) == Ok(0), "no priority");
    READY.store(1, Ordering::SeqCst);
    check!(receive(ENDPOINT.load(Ordering::SeqCst), PLAIN).is_ok(), "no call");
    LEAST_RAN.store(TURNS.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
    u64::from(reply(PLAIN, [0; 4]) != Ok(0))
}

/// The least urgent calls twice: the second call lets the server come back from its wait.
fn ask(_argument: u64) -> u64 {
    check!(set_priority(SELF, LEAST) == Ok(0), "no priority");
    READY.store(1, Ordering::SeqCst);
    let endpoint = ENDPOINT.load(Ordering::SeqCst);
    check!(call(endpoint, PLAIN, [0; 4]).is_ok(), "no answer");
    LEAST_RAN.store(TURNS.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
    u64::from(call(endpoint, PLAIN, [0; 4]).is_err())
}

fn wrong_priorities_are_refused() {
    check!(set_priority(SELF, PRIORITIES.end() + 1) == Err(Error::InvalidArgument), "a priority that is none");
    check!(set_priority(SELF, u64::MAX) == Err(Error::InvalidArgument), "a priority that is none");
    check!(set_priority(4000, 1) == Err(Error::BadCapability), "a slot without a thread");
    check!(set_priority(SLOT_FIRST_THREAD, 1) == Err(Error::WrongState), "a thread that runs");
    for priority in PRIORITIES {
        check!(set_priority(SELF, priority) == Ok(0), "priority {priority}");
    }
    check!(set_priority(SELF, DEFAULT_PRIORITY) == Ok(0), "the priority that threads start with");
    let child = child::start("priorities", TRY, 0);
    let Ok(read_only) = copy_capability(child.thread, rights::READ, 0, 0) else {
        programs::wrong(file!(), format_args!("no copy"))
    };
    check!(set_priority(read_only, 1) == Err(Error::NoRight), "without the right");
    check!(set_priority(child.thread, *PRIORITIES.end()) == Ok(0), "a suspended thread");
    child::resume(&child);
    check!(child::exit() == 0, "the child could set other priorities");
    child::delete(&[read_only]);
    child::forget(&child);
}

/// In a program that is not the first.
fn try_priorities() -> u64 {
    let above = set_priority(SELF, DEFAULT_PRIORITY + 1);
    let below = set_priority(SELF, 0);
    u64::from(above != Err(Error::NotPermitted) || below != Ok(0))
}

static WOKEN: AtomicU64 = AtomicU64::new(0);
static NOTIFICATION: AtomicU64 = AtomicU64::new(0);

fn wait_urgently(forever: u64) -> u64 {
    if set_priority(SELF, URGENT) != Ok(0) {
        return 1;
    }
    let limit = if forever == 1 { u64::MAX } else { 60 * SECOND };
    while wait_for(NOTIFICATION.load(Ordering::SeqCst), limit) == Ok(1) {
        WOKEN.fetch_add(1, Ordering::SeqCst);
    }
    0
}

/// When Signal returns, the waiter has run and waits again. It is the one waiter, and later the first of two.
fn the_more_urgent_run_at_once(cpu: u64, forever: u64) {
    let Ok(notification) = create() else { programs::wrong(file!(), format_args!("no notification")) };
    NOTIFICATION.store(notification, Ordering::SeqCst);
    WOKEN.store(0, Ordering::SeqCst);
    let first = ok("a waiter", Thread::spawn(wait_urgently, forever, cpu));
    until_thread(first.number(), ThreadState::AtNotification);
    let mut count = 0;
    let signals_are_seen = |count: &mut u64| {
        for _ in 0..SIGNALS {
            check!(signal(notification) == Ok(0), "not signalled");
            *count += 1;
            let woken = WOKEN.load(Ordering::SeqCst);
            check!(woken == *count, "{woken} wake-ups, {count} signals on CPU {cpu}");
        }
    };
    signals_are_seen(&mut count);
    let second = ok("a waiter", Thread::spawn(wait_urgently, forever, cpu));
    until_thread(second.number(), ThreadState::AtNotification);
    signals_are_seen(&mut count);
    child::delete(&[notification]);
    for thread in [first, second] {
        check!(thread.join(20 * SECOND) == Some(0), "a waiter does not end");
    }
}

fn wait_and_signal() -> u64 {
    while wait(SLOT_FIRST_FREE) == Ok(1) {
        if signal(SLOT_FIRST_FREE + 1) != Ok(0) {
            return 1;
        }
    }
    0
}

/// The same with a program of its own, which answers by a signal.
fn another_program_runs_at_once(cpu: u64) {
    let (Ok(there), Ok(back)) = (create(), create()) else { programs::wrong(file!(), format_args!("no notification")) };
    let child = child::start("priorities", WAIT, cpu);
    for (slot, right) in [(there, rights::RECEIVE), (back, rights::SEND)] {
        check!(copy_capability(slot, right, 0, child.program).is_ok(), "not given");
    }
    check!(set_priority(child.thread, URGENT) == Ok(0), "not more urgent");
    child::resume(&child);
    for round in 0..SIGNALS {
        check!(signal(there) == Ok(0), "not signalled");
        let answered = programs::raw::notification::poll(back);
        check!(answered == Ok(1), "round {round} on CPU {cpu}: {answered:?}");
    }
    check!(kill_program(child.program) == Ok(0), "the child cannot be ended");
    check!(child::end().cause == EndCause::Killed as u64, "the child ended by itself");
    child::delete(&[there, back]);
    child::forget(&child);
}

static SPUN: AtomicU64 = AtomicU64::new(0);
static STOP: AtomicU64 = AtomicU64::new(0);

fn spin_idly(_argument: u64) -> u64 {
    if set_priority(SELF, DEFAULT_PRIORITY - 1) != Ok(0) {
        return 1;
    }
    while STOP.load(Ordering::SeqCst) == 0 {
        if SPUN.fetch_add(1, Ordering::SeqCst).is_multiple_of(1000) {
            // Whoever is less urgent gets a moment.
            Kernel::sleep(SECOND / 10_000);
        }
    }
    0
}

/// A thread that is less urgent executes nothing while another one is ready, and gets the CPU when that one sleeps, or becomes
/// less urgent still.
fn the_less_urgent_wait(cpu: u64) {
    STOP.store(0, Ordering::SeqCst);
    let spinner = Thread::spawn(spin_idly, 0, cpu);
    let Ok(spinner) = spinner else { programs::wrong(file!(), format_args!("no thread: {spinner:?}")) };
    let before = SPUN.load(Ordering::SeqCst);
    check!(wait_until(5 * SECOND, || SPUN.load(Ordering::SeqCst) > before), "it never runs");
    let before = SPUN.load(Ordering::SeqCst);
    // More than two slices.
    let end = Kernel::clock() + SECOND / 40;
    while Kernel::clock() < end {}
    let spun = SPUN.load(Ordering::SeqCst) - before;
    check!(spun == 0, "a less urgent thread ran {spun} times on CPU {cpu}");
    check!(set_priority(SELF, 0) == Ok(0), "not less urgent");
    let after = SPUN.load(Ordering::SeqCst);
    check!(after > before, "a more urgent thread did not run at once on CPU {cpu}");
    STOP.store(1, Ordering::SeqCst);
    check!(set_priority(SELF, DEFAULT_PRIORITY) == Ok(0), "not as before");
    check!(spinner.join(20 * SECOND) == Some(0), "the spinner does not end");
}
