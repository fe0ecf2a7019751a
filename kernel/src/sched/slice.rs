//! How long threads run, and waits that have an end: what the scheduler has the CPU's timer armed for.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use super::detach_current;
use super::per_cpu::{SLICE_END, TIMERS};
use crate::arch::ticks;
use crate::clock::clock;
use crate::cpu::ThisCpu;
use crate::hardware_timer::arm;
use crate::thread::Thread;

/// How long a thread runs while others of its priority are ready: 10 ms.
pub const SLICE_NANOSECONDS: u64 = 10_000_000;

/// The same in clock ticks, worked out once.
static SLICE_TICKS: AtomicU64 = AtomicU64::new(0);

/// Works the slice out, once the clock is known and before any thread runs.
pub fn install_slice() {
    SLICE_TICKS.store(clock().ticks_in(SLICE_NANOSECONDS), Ordering::Relaxed);
}

/// [`start_slice`] where one runs already, as a rule.
#[inline(always)]
pub fn ensure_slice(cpu: &ThisCpu) {
    if SLICE_END.of(cpu).get() == u64::MAX {
        start_slice(cpu);
    }
}

/// Starts a slice if none runs: somebody else is ready.
pub fn start_slice(cpu: &ThisCpu) {
    if SLICE_END.of(cpu).get() == u64::MAX {
        let end = ticks().saturating_add(SLICE_TICKS.load(Ordering::Relaxed));
        SLICE_END.of(cpu).set(end);
        arm(cpu, end);
    }
}

/// Holds timers of priorities below `floor` back until a moment, and has this CPU look again then.
pub(super) fn hold_back(cpu: &ThisCpu, floor: u8, until: u64) {
    TIMERS.of(cpu).hold(floor, until);
    arm(cpu, TIMERS.of(cpu).held_until());
}

/// Takes the running thread off the CPU until a moment, in clock ticks, and answers it: it is in this CPU's timer list.
///
/// `None`: no thread runs.
pub fn wait_until(cpu: &ThisCpu, moment: u64) -> Option<Arc<Thread>> {
    let thread = detach_current(cpu)?;
    thread.set_deadline(moment);
    arm(cpu, moment);
    TIMERS.of(cpu).insert(Arc::clone(&thread));
    Some(thread)
}
