//! Threads of one CPU that do nothing but give it away, by both entry points.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::{Kernel, KernelByInt80, entry};
use programs::{check, run_threads};

entry!(run);

const THREADS: usize = 8;
const YIELDS: u64 = 1_000;

static SUM: AtomicU64 = AtomicU64::new(0);

fn run(_argument: u64) -> u64 {
    let here = Kernel::cpu_number();
    let status = run_threads(&[(storm as fn(u64) -> u64, here); THREADS]);
    let sum = SUM.load(Ordering::Relaxed);
    check!(sum == THREADS as u64 * YIELDS, "the sum is {sum}");
    status
}

fn storm(_number: u64) -> u64 {
    for _ in 0..YIELDS / 2 {
        Kernel::yield_now();
        SUM.fetch_add(1, Ordering::Relaxed);
        KernelByInt80::yield_now();
        SUM.fetch_add(1, Ordering::Relaxed);
    }
    0
}
