//! Threads of one program stop at `int3` on every CPU, without a debugger: they are paused, with all their registers, and the
//! rest of the program runs on. The argument says what comes then: their breakpoints are cleared, from another CPU each
//! time, again and again (0); the program exits (1), or faults (2), while they stand there; the thread that runs ends as
//! the last but them, and one that slept clears them (3).
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::abi::{Error, SLOT_FIRST_THREAD, SLOT_OWN_PROGRAM, ThreadInformation, ThreadState};
use gatehouse_runtime::register_pattern::{Crossing, RegisterPattern};
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::{MILLISECOND, SECOND, wait_until};
use gatehouse_runtime::{Kernel, entry};
use programs::raw::debugger::{Register, clear_breakpoint, list_threads, open_thread, read_registers};
use programs::raw::message::{Utcb, delete_capability, first_utcb};
use programs::{PROGRAM_END_STATUS, check, cpus, enter_site, sites};

entry!(run);

/// Threads that stop.
const THREADS: usize = 8;
/// How often each stops.
const ROUNDS: u64 = 3;

/// Breakpoints that were passed.
static PASSED: AtomicU64 = AtomicU64::new(0);

fn run(argument: u64) -> u64 {
    let (here, cpus) = (Kernel::cpu_number(), cpus());
    let mut threads = [const { None }; THREADS];
    for (number, place) in threads.iter_mut().enumerate() {
        let started = Thread::spawn(stop, number as u64, (here + number as u64) % cpus);
        check!(started.is_ok(), "thread {number}: {:?}", started.err());
        *place = started.ok();
    }
    // SAFETY: only the first thread uses it.
    let utcb = unsafe { first_utcb() };
    let numbers: [u64; THREADS] = core::array::from_fn(|index| threads[index].as_ref().map_or(0, Thread::number));
    match argument {
        0 => {
            clear_all(&numbers, here, cpus, &utcb);
            for thread in threads.into_iter().flatten() {
                check!(thread.join(20 * SECOND) == Some(0), "a thread does not end");
            }
            check!(PASSED.load(Ordering::Relaxed) == THREADS as u64 * ROUNDS, "{PASSED:?} breakpoints were passed");
            0
        }
        1 | 2 => {
            all_paused();
            if argument == 1 {
                return PROGRAM_END_STATUS;
            }
            // SAFETY: site 0 is below.
            unsafe { enter_site(0, 0) }
        }
        _ => {
            all_paused();
            let last = Thread::spawn(clear_later, here, (here + 1) % cpus);
            check!(last.is_ok(), "no thread: {:?}", last.err());
            Kernel::exit_thread(0)
        }
    }
}

/// What each thread does: stops, and looks whether its registers are as they were.
fn stop(number: u64) -> u64 {
    for round in 0..ROUNDS {
        let crossed = RegisterPattern::distinct(seed(number, round)).cross(Crossing::Breakpoint);
        check!(crossed.difference().is_none(), "a breakpoint changed {:x?}", crossed.difference());
        PASSED.fetch_add(1, Ordering::Relaxed);
    }
    0
}

const fn seed(number: u64, round: u64) -> u64 {
    number * ROUNDS + round
}

/// The threads of this program that are paused.
fn paused() -> usize {
    let mut threads = [ThreadInformation::default(); THREADS + 2];
    let listed = list_threads(SLOT_OWN_PROGRAM, &mut threads);
    let Ok(count) = listed else { programs::wrong(file!(), format_args!("no threads: {listed:?}")) };
    let is_paused = |thread: &&ThreadInformation| thread.state == ThreadState::Paused as u64;
    threads.iter().take(count as usize).filter(is_paused).count()
}

fn all_paused() {
    check!(wait_until(20 * SECOND, || paused() == THREADS), "{} threads are paused", paused());
}

/// Clears every breakpoint of every thread, each round from another CPU.
fn clear_all(numbers: &[u64; THREADS], here: u64, cpus: u64, utcb: &Utcb) {
    let slots = numbers.map(|number| {
        let opened = open_thread(SLOT_OWN_PROGRAM, number);
        let Ok(slot) = opened else { programs::wrong(file!(), format_args!("thread {number}: {opened:?}")) };
        slot
    });
    for round in 0..ROUNDS {
        all_paused();
        // They stay there; nothing tells that nothing happens, so there is time for it.
        Kernel::sleep(MILLISECOND);
        check!(PASSED.load(Ordering::Relaxed) == THREADS as u64 * round, "{PASSED:?} breakpoints passed by themselves");
        check!(Kernel::move_to_cpu((here + round + 1) % cpus).is_ok(), "cannot move");
        for (number, slot) in slots.iter().enumerate() {
            let registers = read_registers(*slot, utcb);
            let Ok(registers) = registers else {
                programs::wrong(file!(), format_args!("no registers: {registers:?}"))
            };
            let pattern = RegisterPattern::distinct(seed(number as u64, round));
            let rbx = registers.general[Register::Rbx as usize];
            check!(rbx == pattern.general[1], "thread {number} stands with RBX {rbx:#x}");
            check!(clear_breakpoint(*slot) == Ok(()), "thread {number} is not cleared");
        }
        let expected = THREADS as u64 * (round + 1);
        check!(wait_until(20 * SECOND, || PASSED.load(Ordering::Relaxed) == expected), "only {PASSED:?} were passed");
    }
    let me = clear_breakpoint(SLOT_FIRST_THREAD);
    check!(me == Err(Error::WrongState), "a thread that runs was cleared: {me:?}");
    check!(clear_breakpoint(SLOT_OWN_PROGRAM) == Err(Error::BadCapability), "a program was cleared");
    check!(open_thread(SLOT_OWN_PROGRAM, u64::MAX) == Err(Error::NotFound), "a thread that never was");
    for slot in slots {
        check!(delete_capability(slot).is_ok(), "slot {slot}");
    }
}

/// Lets all of them end, and ends as the last one.
fn clear_later(_here: u64) -> u64 {
    // So that the others find their breakpoints unhandled for a while.
    Kernel::sleep(2 * MILLISECOND);
    let mut threads = [ThreadInformation::default(); THREADS + 2];
    loop {
        let listed = list_threads(SLOT_OWN_PROGRAM, &mut threads);
        let Ok(count) = listed else { programs::wrong(file!(), format_args!("no threads: {listed:?}")) };
        if count == 1 {
            Kernel::exit_program(0);
        }
        for thread in threads.iter().take(count as usize).filter(|thread| thread.state == ThreadState::Paused as u64) {
            let opened = open_thread(SLOT_OWN_PROGRAM, thread.number);
            let cleared = opened.and_then(|slot| clear_breakpoint(slot).and(delete_capability(slot)));
            check!(cleared.is_ok(), "thread {}: {cleared:?}", thread.number);
        }
        Kernel::sleep(MILLISECOND);
    }
}

sites! {
    0 => "ud2",
}
