//! What is kept of time for each CPU.

use gatehouse_core::intrusive::PriorityInbox;
use percpu::{CpuLocal, CpuShared, per_cpu};

use super::{Timer, TimerList};
use crate::cpu::ThisCpu;

per_cpu! {
    /// What waits for a moment in time here.
    pub static TIMERS: CpuLocal<TimerList> = TimerList::new();
    /// The timers of this CPU that others set or cleared. Only it takes.
    pub(super) zeroed static CHANGED_TIMERS: CpuShared<PriorityInbox<Timer>> = PriorityInbox::new();
}

/// Whether this CPU's list is being changed at this moment, or gone through, by code that is in the middle of it.
#[must_use]
pub fn is_in_use(cpu: &ThisCpu) -> bool {
    TIMERS.of(cpu).is_in_use()
}
