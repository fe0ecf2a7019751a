//! On which CPUs threads may run: what a thread is started with, what it and others say, and what it is moved by.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::abi::{ANY_CPU, Error, SLOT_FIRST_THREAD, SLOT_NONE, SLOT_OWN_PROGRAM, rights};
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::{SECOND, wait_until};
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::affinity::{self, CpuSet, THIS_THREAD};
use programs::raw::debugger::open_thread;
use programs::raw::message::copy_capability;
use programs::raw::notification;
use programs::{check, cpus, delete};

entry!(run);

/// Threads here are started, and moved, on so many CPUs at most.
const MOST_CPUS: u64 = 16;

/// The CPU that the spinning thread saw last.
static SEEN: AtomicU64 = AtomicU64::new(u64::MAX);
/// What the spinning thread waits for.
static ENOUGH: AtomicU64 = AtomicU64::new(0);
/// The notification that the waiting thread waits for.
static GATE: AtomicU64 = AtomicU64::new(0);

fn run(_argument: u64) -> u64 {
    let cpus = cpus();
    own_affinity(cpus);
    refusals(cpus);
    other_threads_move(cpus.min(MOST_CPUS));
    waiting_threads_move(cpus.min(MOST_CPUS));
    at_the_start(cpus);
    println!("affinity: all cases hold on {cpus} CPUs");
    programs::finish(0)
}

fn own() -> CpuSet {
    let own = affinity::of(THIS_THREAD);
    let Ok(own) = own else { programs::wrong(file!(), format_args!("the own affinity: {own:?}")) };
    own
}

fn moved(cpus: &[u64]) {
    let answer = affinity::set(THIS_THREAD, &CpuSet::<64>::of(cpus));
    check!(answer == Ok(0), "to {cpus:?}: {answer:?}");
    check!(own() == CpuSet::of(cpus), "said {cpus:?}, is {:?}", own());
    let here = Kernel::cpu_number();
    check!(cpus.contains(&here), "said {cpus:?}, is on {here}");
}

/// The first thread is started on a CPU, and so stays there until it says otherwise.
fn own_affinity(cpus: u64) {
    let start = Kernel::cpu_number();
    check!(own() == CpuSet::of(&[start]), "the first thread may run on {:?}", own());
    for cpu in 0..cpus {
        moved(&[cpu]);
    }
    moved(&[0, cpus - 1]);
    moved(&[cpus - 1]);
    check!(affinity::allow_every_cpu(THIS_THREAD) == Ok(0), "not every CPU is allowed");
    check!(own().count() == cpus, "every CPU is {:?}", own());
    check!(Kernel::cpu_number() == cpus - 1, "a thread that may stay was moved");
    check!(affinity::of::<0>(THIS_THREAD) == Err(Error::BufferTooSmall), "a set was written to no room");
    // To move to a CPU is to stay there, and also to move to where it is.
    for cpu in [cpus - 1, 0] {
        check!(affinity::allow_every_cpu(THIS_THREAD) == Ok(0), "not every CPU is allowed");
        check!(Kernel::move_to_cpu(cpu) == Ok(0), "no move to CPU {cpu}");
        check!(own() == CpuSet::of(&[cpu]), "after the move to {cpu} it may run on {:?}", own());
    }
}

fn refusals(cpus: u64) {
    let here = Kernel::cpu_number();
    let refused = |thread, set: &CpuSet, why: Error| {
        let answer = affinity::set(thread, set);
        check!(answer == Err(why), "{set:?} of the thread in {thread} is {answer:?}, not {why:?}");
    };
    refused(THIS_THREAD, &CpuSet::new(), Error::InvalidArgument);
    refused(THIS_THREAD, &CpuSet::of(&[here, cpus]), Error::NoSuchCpu);
    refused(THIS_THREAD, &CpuSet::of(&[4095]), Error::NoSuchCpu);
    refused(SLOT_OWN_PROGRAM, &CpuSet::of(&[here]), Error::BadCapability);
    refused(1000, &CpuSet::of(&[here]), Error::BadCapability);
    let word = [1_u64];
    let place = word.as_ptr() as u64;
    for (address, length, why) in [
        (place, 0, Error::InvalidArgument),
        (place, 7, Error::InvalidArgument),
        (place, 8192, Error::InvalidArgument),
        (0x1000, 8, Error::BadAddress),
        (u64::MAX - 7, 8, Error::BadAddress),
    ] {
        let answer = affinity::set_bytes(THIS_THREAD, address, length);
        check!(answer == Err(why), "{length} bytes at {address:#x}: {answer:?}");
    }
    let spectator = copy_capability(SLOT_FIRST_THREAD, rights::READ, 0, SLOT_NONE);
    let Ok(spectator) = spectator else { programs::wrong(file!(), format_args!("no copy: {spectator:?}")) };
    refused(spectator, &CpuSet::of(&[here]), Error::NoRight);
    check!(affinity::of::<64>(spectator).is_ok(), "who may read may not look");
    delete(spectator);
    check!(own() == CpuSet::of(&[here]), "a refused set changed something: {:?}", own());
    let among = Thread::spawn_among(spin, 0, &CpuSet::<64>::new());
    check!(among.err() == Some(Error::InvalidArgument), "a thread without CPUs started");
    let among = Thread::spawn_among(spin, 0, &CpuSet::<64>::of(&[cpus]));
    check!(among.err() == Some(Error::NoSuchCpu), "a thread of a CPU that is not there started");
}

/// Runs until told, and says where.
fn spin(_argument: u64) -> u64 {
    while ENOUGH.load(Ordering::Relaxed) == 0 {
        SEEN.store(Kernel::cpu_number(), Ordering::Relaxed);
    }
    0
}

fn opened(thread: &Thread) -> u64 {
    let slot = open_thread(SLOT_OWN_PROGRAM, thread.number());
    slot.unwrap_or_else(|error| programs::wrong(file!(), format_args!("no capability of a thread: {error:?}")))
}

fn seen_on(cpu: u64) -> bool {
    wait_until(20 * SECOND, || SEEN.load(Ordering::Relaxed) == cpu)
}

/// A thread that never blocks goes where it may, and stays there.
fn other_threads_move(cpus: u64) {
    ENOUGH.store(0, Ordering::Relaxed);
    let spinner = Thread::spawn(spin, 0, 0);
    let Ok(spinner) = spinner else { programs::wrong(file!(), format_args!("no thread: {spinner:?}")) };
    let slot = opened(&spinner);
    for cpu in (0..cpus).rev() {
        let answer = affinity::set(slot, &CpuSet::<64>::of(&[cpu]));
        check!(answer == Ok(0), "the other one to {cpu}: {answer:?}");
        check!(seen_on(cpu), "the other one was not seen on {cpu}");
        check!(affinity::of(slot) == Ok(CpuSet::<64>::of(&[cpu])), "the other one's set");
    }
    ENOUGH.store(1, Ordering::Relaxed);
    check!(spinner.join(20 * SECOND) == Some(0), "the spinning thread does not end");
    delete(slot);
}

/// Waits at the gate and says where it came out, again and again.
fn pass_gates(_argument: u64) -> u64 {
    while notification::wait(GATE.load(Ordering::Relaxed)).is_ok() {
        SEEN.store(Kernel::cpu_number(), Ordering::Relaxed);
        if ENOUGH.load(Ordering::Relaxed) != 0 {
            return 0;
        }
    }
    1
}

/// A thread that waits wakes where it may run by then.
fn waiting_threads_move(cpus: u64) {
    ENOUGH.store(0, Ordering::Relaxed);
    let gate = notification::create();
    let Ok(gate) = gate else { programs::wrong(file!(), format_args!("no notification: {gate:?}")) };
    GATE.store(gate, Ordering::Relaxed);
    let waiter = Thread::spawn(pass_gates, 0, 0);
    let Ok(waiter) = waiter else { programs::wrong(file!(), format_args!("no thread: {waiter:?}")) };
    let slot = opened(&waiter);
    for round in 0..4 * cpus {
        let cpu = (round * 3 + 1) % cpus;
        SEEN.store(u64::MAX, Ordering::Relaxed);
        let answer = affinity::set(slot, &CpuSet::<64>::of(&[cpu]));
        check!(answer == Ok(0), "the waiting one to {cpu}: {answer:?}");
        check!(notification::signal(gate).is_ok(), "no signal");
        check!(wait_until(20 * SECOND, || SEEN.load(Ordering::Relaxed) != u64::MAX), "nobody woke");
        let seen = SEEN.load(Ordering::Relaxed);
        check!(seen == cpu, "the waiting one woke on {seen}, not on {cpu}");
    }
    ENOUGH.store(1, Ordering::Relaxed);
    check!(notification::signal(gate).is_ok(), "no signal");
    check!(waiter.join(20 * SECOND) == Some(0), "the waiting thread does not end");
    delete(slot);
    delete(gate);
}

/// Answers how many CPUs it may run on.
fn allowed(_argument: u64) -> u64 {
    let own = own();
    if own.contains(Kernel::cpu_number()) { own.count() } else { u64::MAX }
}

/// Started on a CPU, on any, or among some.
fn at_the_start(cpus: u64) {
    let last = CpuSet::<64>::of(&[cpus - 1]);
    let two = CpuSet::<64>::of(&[0, cpus - 1]);
    let started = [
        (Thread::spawn(allowed, 0, cpus - 1), 1),
        (Thread::spawn(allowed, 0, ANY_CPU), cpus),
        (Thread::spawn_among(allowed, 0, &last), 1),
        (Thread::spawn_among(allowed, 0, &two), two.count()),
    ];
    for (number, (thread, expected)) in started.into_iter().enumerate() {
        let Ok(thread) = thread else { programs::wrong(file!(), format_args!("no thread: {thread:?}")) };
        let answer = thread.join(20 * SECOND);
        check!(answer == Some(expected), "case {number}: {answer:?} CPUs, not {expected}");
    }
}
