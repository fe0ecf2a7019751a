//! Two threads that never enter the kernel by themselves share a CPU: both go on.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::{Kernel, entry};
use programs::{check, run_threads};

entry!(run);

/// How often each thread must see that the other one went on.
const TURNS: u64 = 3;
/// The loop ends after so many passes whatever happens: tens of seconds even under emulation.
const MOST_PASSES: u64 = 5_000_000_000;

/// Passes of each thread.
static PASSES: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
/// How often each thread saw the other one's passes change.
static SEEN: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

fn run(_argument: u64) -> u64 {
    let here = Kernel::cpu_number();
    run_threads(&[(spin, here), (spin, here)])
}

fn spin(number: u64) -> u64 {
    let own = number as usize;
    let other = 1 - own;
    let mut last = PASSES[other].load(Ordering::Relaxed);
    for pass in 1..=MOST_PASSES {
        PASSES[own].store(pass, Ordering::Relaxed);
        let now = PASSES[other].load(Ordering::Relaxed);
        if now != last {
            last = now;
            SEEN[own].fetch_add(1, Ordering::Relaxed);
        }
        if SEEN.iter().all(|seen| seen.load(Ordering::Relaxed) >= TURNS) {
            return 0;
        }
    }
    let seen = SEEN.each_ref().map(|seen| seen.load(Ordering::Relaxed));
    check!(false, "thread {number} spun {MOST_PASSES} times; the threads saw each other go on {seen:?} times");
    1
}
