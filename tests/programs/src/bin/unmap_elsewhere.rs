//! Once UnmapMemory has come back, no CPU reaches the pages any more: a thread on the next CPU reads a page all the time,
//! and must fault there.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::{SECOND, wait_until};
use gatehouse_runtime::{Kernel, entry};
use programs::{UNMAP_ELSEWHERE_PAGE, check, cpus};

entry!(run);

/// Bytes of the page.
const LENGTH: u64 = 4096;

/// How long the reader may take to come to its next read.
const PATIENCE: u64 = 60 * SECOND;

/// Reads so far.
static READS: AtomicU64 = AtomicU64::new(0);

fn run(_argument: u64) -> u64 {
    let mapped = Kernel::map_memory(UNMAP_ELSEWHERE_PAGE, LENGTH);
    check!(mapped.is_ok(), "no page: {mapped:?}");
    let next = (Kernel::cpu_number() + 1) % cpus();
    let reader = Thread::spawn(read, 0, next);
    check!(reader.is_ok(), "no thread on CPU {next}: {:?}", reader.err());
    check!(wait_until(PATIENCE, || READS.load(Ordering::Relaxed) > 1000), "nothing is read");
    // SAFETY: the reader uses the page still; what comes of that is what this program is for.
    let unmapped = unsafe { Kernel::unmap_memory(UNMAP_ELSEWHERE_PAGE, LENGTH) };
    check!(unmapped == Ok(LENGTH), "UnmapMemory: {unmapped:?}");
    // The reader may have read once more before it was counted.
    let before = READS.load(Ordering::Relaxed) + 1;
    // The reader's fault ends the program, and this wait with it, however long its CPU is stopped by a host.
    let reads_on = wait_until(PATIENCE, || READS.load(Ordering::Relaxed) > before);
    let after = READS.load(Ordering::Relaxed);
    check!(!reads_on, "{} reads after the page was gone", after - before);
    check!(false, "the reader has neither read nor faulted for {} s", PATIENCE / SECOND);
    1
}

fn read(_argument: u64) -> u64 {
    loop {
        // SAFETY: the page is mapped until `run` takes it away; then the read faults and the program ends.
        unsafe { (UNMAP_ELSEWHERE_PAGE as *const u64).read_volatile() };
        READS.fetch_add(1, Ordering::Relaxed);
    }
}
