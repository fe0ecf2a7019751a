//! Threads of one CPU wake in the order of their times, never early, whatever the order in which they lay down.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::time::MILLISECOND;
use gatehouse_runtime::{Kernel, entry, println};
use programs::{check, run_threads};

entry!(run);

/// Between two wake-up times. The thread with number n sleeps until step `ORDER[n]`.
const STEP: u64 = 15 * MILLISECOND;
const ORDER: [u64; 6] = [4, 2, 6, 1, 5, 3];

static BEGIN: AtomicU64 = AtomicU64::new(0);
static WOKEN: AtomicU64 = AtomicU64::new(0);

fn run(_argument: u64) -> u64 {
    let here = Kernel::cpu_number();
    BEGIN.store(Kernel::clock() + 10 * MILLISECOND, Ordering::Relaxed);
    run_threads(&ORDER.map(|_| (sleep_until as fn(u64) -> u64, here)))
}

fn sleep_until(number: u64) -> u64 {
    let step = ORDER[number as usize];
    let due = BEGIN.load(Ordering::Relaxed) + step * STEP;
    let now = Kernel::clock();
    if now >= due {
        println!("sleep_order: the machine is too slow for this test: {} us late", (now - due) / 1000);
        return 0;
    }
    Kernel::sleep(due - now);
    let place = WOKEN.fetch_add(1, Ordering::Relaxed) + 1;
    let woken = Kernel::clock();
    check!(woken >= due, "thread {number} woke {} ns early", due - woken);
    check!(place == step, "thread {number} woke as number {place}, should as {step}");
    0
}
