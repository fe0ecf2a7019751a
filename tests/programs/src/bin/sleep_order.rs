//! Threads of one CPU wake in the order of their times, never early, whatever the order in which they lay down.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::time::MILLISECOND;
use gatehouse_runtime::{Kernel, entry, println};
use programs::{ThreadPlan, check, run_threads};

entry!(run);

/// Between two wake-up times. The thread with number n sleeps until step `ORDER[n]`.
const STEP: u64 = 15 * MILLISECOND;
const ORDER: [u64; 6] = [4, 2, 6, 1, 5, 3];

/// A thread that tells so much after its time may have been overtaken by the next one: an emulated CPU stands still while
/// its host does something else. Then the order says nothing, and the threads try again.
const LATE: u64 = STEP / 2;
const ATTEMPTS: u64 = 10;

static BEGIN: AtomicU64 = AtomicU64::new(0);
/// Threads that woke so far.
static WOKEN: AtomicU64 = AtomicU64::new(0);
/// Threads that were not woken in their turn.
static OUT_OF_TURN: AtomicU64 = AtomicU64::new(0);
/// Threads that were late.
static TOO_LATE: AtomicU64 = AtomicU64::new(0);

fn run(_argument: u64) -> u64 {
    let sleepers: [ThreadPlan; ORDER.len()] = [(sleep_until, Kernel::cpu_number()); ORDER.len()];
    for _ in 0..ATTEMPTS {
        for count in [&WOKEN, &OUT_OF_TURN, &TOO_LATE] {
            count.store(0, Ordering::Relaxed);
        }
        BEGIN.store(Kernel::clock() + 10 * MILLISECOND, Ordering::Relaxed);
        let status = run_threads(&sleepers);
        if TOO_LATE.load(Ordering::Relaxed) == 0 {
            let out_of_turn = OUT_OF_TURN.load(Ordering::Relaxed);
            check!(out_of_turn == 0, "{out_of_turn} threads woke out of turn");
            return status;
        }
    }
    println!("sleep_order: the machine is too slow to tell the order on CPU {}; no thread woke early", sleepers[0].1);
    0
}

fn sleep_until(number: u64) -> u64 {
    let step = ORDER[number as usize];
    let due = BEGIN.load(Ordering::Relaxed) + step * STEP;
    let now = Kernel::clock();
    if now >= due {
        TOO_LATE.fetch_add(1, Ordering::Relaxed);
        return 0;
    }
    Kernel::sleep(due - now);
    let place = WOKEN.fetch_add(1, Ordering::Relaxed) + 1;
    let woken = Kernel::clock();
    check!(woken >= due, "thread {number} woke {} ns early", due - woken);
    TOO_LATE.fetch_add(u64::from(woken - due > LATE), Ordering::Relaxed);
    OUT_OF_TURN.fetch_add(u64::from(place != step), Ordering::Relaxed);
    0
}
