//! What it takes to take a page away while the program runs on other CPUs, too.

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::abi::SystemCall;
use gatehouse_runtime::memory::PAGE_SIZE;
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::{SECOND, wait_until};
use programs::{PAGED_REGION, check};

use crate::throughput::Frequency;
use crate::timed::call;

/// CPUs of the largest machine that is measured.
const MOST_CPUS: usize = 512;
/// How long the threads may take to begin, and to end: some hundred CPUs share a host's processor.
const LIMIT: u64 = 120 * SECOND;

static RUNNING: AtomicU64 = AtomicU64::new(0);
static STOP: AtomicU64 = AtomicU64::new(0);

fn spin(_argument: u64) -> u64 {
    RUNNING.fetch_add(1, Ordering::Relaxed);
    while STOP.load(Ordering::Relaxed) == 0 {
        core::hint::spin_loop();
    }
    0
}

/// Nanoseconds to take a page away, while threads of this program run on CPUs 1 to `others`; this is CPU 0.
pub(crate) fn sample(others: u64, frequency: &mut Frequency, samples: &mut [u64]) {
    STOP.store(0, Ordering::Relaxed);
    RUNNING.store(0, Ordering::Relaxed);
    let mut threads = [const { None }; MOST_CPUS];
    check!(others < threads.len() as u64, "{others} other CPUs are too many");
    for (number, place) in threads.iter_mut().enumerate().take(others as usize) {
        let thread = Thread::spawn(spin, 0, number as u64 + 1);
        check!(thread.is_ok(), "no thread on CPU {}: {thread:?}", number + 1);
        *place = thread.ok();
    }
    check!(wait_until(LIMIT, || RUNNING.load(Ordering::Relaxed) == others), "the threads do not run");
    for sample in samples {
        call(SystemCall::MapMemory, [PAGED_REGION, PAGE_SIZE, 0, 0]);
        // SAFETY: the page was mapped just now.
        unsafe { (PAGED_REGION as *mut u64).write_volatile(1) };
        *sample = frequency.nanoseconds(call(SystemCall::UnmapMemory, [PAGED_REGION, PAGE_SIZE, 0, 0]));
    }
    STOP.store(1, Ordering::Relaxed);
    for thread in threads.into_iter().flatten() {
        check!(thread.join(LIMIT) == Some(0), "a thread does not end");
    }
}
