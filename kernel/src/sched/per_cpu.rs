//! What the scheduler keeps for each CPU.

use core::cell::{Cell, UnsafeCell};
use core::mem::MaybeUninit;

use gatehouse_core::cpu::allowance::Allowance;
use gatehouse_core::intrusive::{ExitQueue, RunQueue};
use percpu::{AreaBuilder, CpuIndex, CpuLocal, CpuShared, per_cpu};

use super::counts::Counts;
use super::placement::ImbalanceCheck;
use super::requests::Requests;
use crate::arch::Frame;
use crate::cpu::ThisCpu;
use crate::thread::Thread;

// The scheduler's one way to what waits for a moment.
pub use crate::time::TIMERS;

per_cpu! {
    /// What is ready to run here.
    pub static RUN_QUEUE: CpuLocal<RunQueue<Thread>> = RunQueue::new(CpuIndex::BOOT);
    /// When the running thread's slice is over, in clock ticks; `u64::MAX` while nobody else is ready.
    pub static SLICE_END: CpuLocal<Cell<u64>> = Cell::new(u64::MAX);
    /// What is to end here when the handler is over.
    pub static EXIT_QUEUE: CpuLocal<ExitQueue<ThisCpu>> = ExitQueue::new();
    /// What may still be done here for threads that are not more urgent than the one that runs.
    pub(super) static ALLOWANCE: CpuLocal<Allowance> = Allowance::new();
    /// Whether threads wait here while other CPUs sleep.
    pub(super) static AUDIT: CpuLocal<ImbalanceCheck> = ImbalanceCheck::new();
    /// What other CPUs want of this one.
    pub static REQUESTS: CpuShared<Requests> = Requests::new();
    /// What others may read of it.
    pub static COUNTS: CpuShared<Counts> = Counts::new();
    /// The frame by which this CPU goes idle. Nothing ever writes to it: an interrupted idle CPU begins anew.
    static IDLE_FRAME: CpuLocal<UnsafeCell<MaybeUninit<Frame>>> = UnsafeCell::new(MaybeUninit::uninit());
}

/// Prepares a CPU that is being made: it has this index, and goes idle through this frame.
pub fn prepare_cpu(area: &mut AreaBuilder, index: CpuIndex, idle_frame: Frame) {
    area.set(&RUN_QUEUE, RunQueue::new(index));
    area.set(&IDLE_FRAME, UnsafeCell::new(MaybeUninit::new(idle_frame)));
}

/// The frame by which this CPU goes idle.
#[must_use]
#[inline(always)]
pub fn idle_frame(cpu: &ThisCpu) -> *const Frame {
    IDLE_FRAME.of(cpu).get().cast()
}

/// Whether anything here is being changed at this moment, or gone through, by code that is in the middle of it.
#[must_use]
pub fn is_in_use(cpu: &ThisCpu) -> bool {
    RUN_QUEUE.of(cpu).is_in_use() || EXIT_QUEUE.of(cpu).is_draining()
}
