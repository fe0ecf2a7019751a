//! A program ends while its threads are busy on every CPU. They do, by number, one of: spin, sleep, yield, move about. The
//! argument says how it ends: by ExitProgram of the first thread (0) or of another one (1), by a fault of the first
//! thread (2).
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::{MILLISECOND, SECOND, wait_until};
use gatehouse_runtime::{Kernel, entry};
use programs::{PROGRAM_END_STATUS, check, cpus, enter_site, sites};

entry!(run);

/// Threads besides the first.
const THREADS: u64 = 8;
/// How long a sleeping thread sleeps: longer than the program lasts.
const LONG: u64 = 1_000 * SECOND;

static BUSY: AtomicU64 = AtomicU64::new(0);
/// Set when a thread that spins is to end the program.
static END: AtomicU64 = AtomicU64::new(0);

fn run(argument: u64) -> u64 {
    let (here, cpus) = (Kernel::cpu_number(), cpus());
    for number in 0..THREADS {
        let cpu = (here + number) % cpus;
        let thread = Thread::spawn(be_busy, number, cpu);
        check!(thread.is_ok(), "thread {number} on CPU {cpu}: {:?}", thread.err());
    }
    let busy = wait_until(10 * SECOND, || BUSY.load(Ordering::Relaxed) == THREADS);
    check!(busy, "only {} threads run", BUSY.load(Ordering::Relaxed));
    // They are at work; the end finds each wherever it is, and is to find those that sleep asleep.
    Kernel::sleep(MILLISECOND);
    match argument {
        0 => PROGRAM_END_STATUS,
        1 => {
            END.store(1, Ordering::Relaxed);
            Kernel::sleep(LONG);
            0
        }
        // SAFETY: site 0 is below.
        _ => unsafe { enter_site(0, 0) },
    }
}

fn be_busy(number: u64) -> u64 {
    BUSY.fetch_add(1, Ordering::Relaxed);
    let cpus = cpus();
    let mut round = number;
    loop {
        round += 1;
        match number % 4 {
            0 if END.load(Ordering::Relaxed) != 0 => Kernel::exit_program(PROGRAM_END_STATUS),
            0 => core::hint::spin_loop(),
            1 => Kernel::sleep(LONG),
            2 => Kernel::yield_now(),
            _ => {
                let moved = Kernel::move_to_cpu(round % cpus);
                check!(moved.is_ok(), "cannot move: {moved:?}");
            }
        }
    }
}

sites! {
    0 => "ud2",
}
