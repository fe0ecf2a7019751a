//! Mapping a page and taking it away, when no other CPU runs the program and when one does.

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::abi::SystemCall;
use gatehouse_runtime::memory::PAGE_SIZE;
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::{SECOND, wait_until};
use programs::{PAGED_REGION, check};

use crate::client;
use crate::plan::{Plan, WARM_UP};
use crate::samples::Samples;
use crate::timed::{call, call_user_ticks};
use crate::trace;

pub(crate) const KEYS: &[&str] = &["map_page", "unmap_local"];
pub(crate) const CROSS_KEYS: &[&str] = &["tlb_shootdown"];

const RANGE: [u64; 4] = [PAGED_REGION, PAGE_SIZE, 0, 0];

/// Writes to the page, so that its translation is in the TLB.
fn touch() {
    // SAFETY: the page was mapped just now, and nothing else is there.
    unsafe { (PAGED_REGION as *mut u64).write_volatile(1) };
}

pub(crate) fn measure(plan: &Plan<'_>) {
    let (mut map, mut unmap) = (Samples::new(), Samples::new());
    for round in 0..WARM_UP + plan.rounds() {
        let marked = plan.trace && round >= WARM_UP;
        if marked {
            trace::begin("map_page");
        }
        let mapped = call(SystemCall::MapMemory, RANGE);
        if marked {
            trace::end();
        }
        touch();
        if marked {
            trace::begin("unmap_local");
        }
        let unmapped = call(SystemCall::UnmapMemory, RANGE);
        if marked {
            trace::end();
        }
        if round >= WARM_UP {
            map.push(mapped);
            unmap.push(unmapped);
        }
    }
    if !plan.trace {
        map.record("map_page", call_user_ticks(), 1);
        unmap.record("unmap_local", call_user_ticks(), 1);
    }
}

/// Whether the other CPU's thread is there, and whether it is to go on.
static SPINS: AtomicU64 = AtomicU64::new(0);
static STOP: AtomicU64 = AtomicU64::new(0);

fn spin(_argument: u64) -> u64 {
    SPINS.store(1, Ordering::Relaxed);
    while STOP.load(Ordering::Relaxed) == 0 {
        core::hint::spin_loop();
    }
    0
}

/// Only traced: while the other CPU is interrupted and answers, the clock also counts what its thread does.
pub(crate) fn measure_cross(plan: &Plan<'_>) {
    let (_, Some(other)) = client::cpus() else { return };
    if !plan.trace {
        return;
    }
    let thread = Thread::spawn(spin, 0, other);
    check!(thread.is_ok(), "{thread:?}");
    let Ok(thread) = thread else { return };
    check!(wait_until(SECOND, || SPINS.load(Ordering::Relaxed) != 0), "the other CPU's thread does not run");
    for round in 0..WARM_UP + plan.rounds() {
        call(SystemCall::MapMemory, RANGE);
        touch();
        if round < WARM_UP {
            call(SystemCall::UnmapMemory, RANGE);
        } else {
            trace::begin("tlb_shootdown*");
            call(SystemCall::UnmapMemory, RANGE);
            trace::end();
        }
    }
    STOP.store(1, Ordering::Relaxed);
    check!(thread.join(SECOND) == Some(0), "the other CPU's thread does not end");
}
