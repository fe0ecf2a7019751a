//! Work that this CPU does for threads, of this CPU and of others: at their priority.

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_core::cpu::allowance::{MOST_AT_ONCE, PERIOD_NANOSECONDS};
use gatehouse_core::sched::PRIORITIES;

use super::per_cpu::{ALLOWANCE, REQUESTS};
use super::slice::hold_back;
use crate::arch::ticks;
use crate::clock::clock;
use crate::cpu::ThisCpu;

/// A period of the allowance in clock ticks, once it was worked out.
static PERIOD: AtomicU64 = AtomicU64::new(0);

/// The priority of work that is done for the running thread; the kernel's own is the highest.
#[must_use]
pub fn own_priority(cpu: &ThisCpu) -> u8 {
    cpu.current().map_or(PRIORITIES as u8 - 1, |thread| thread.priority())
}

/// What one interrupt does for others.
#[derive(Debug)]
pub struct Worker<'cpu> {
    cpu: &'cpu ThisCpu,
    now: u64,
    left: usize,
}

impl<'cpu> Worker<'cpu> {
    /// One that has done nothing yet.
    #[must_use]
    pub fn new(cpu: &'cpu ThisCpu) -> Self {
        Self { cpu, now: ticks(), left: MOST_AT_ONCE }
    }

    /// The lowest priority for which work may be done now; `None` when this interrupt has done enough, and what is left is for the
    /// next one. What is held back is looked at again at the end of the allowance's period, by the timer interrupt.
    pub fn floor(&mut self) -> Option<u8> {
        self.left = self.left.checked_sub(1)?;
        let allowance = ALLOWANCE.of(self.cpu);
        let floor = allowance.floor(self.now, self.running());
        if floor > 0 {
            REQUESTS.of(self.cpu).raise_floor(floor);
            hold_back(self.cpu, floor, allowance.end());
        }
        Some(floor)
    }

    /// A piece of work is done for a thread of this priority.
    pub fn spend(&self, priority: u8) {
        ALLOWANCE.of(self.cpu).spend(self.now, period(), self.running(), priority);
    }

    fn running(&self) -> Option<u8> {
        self.cpu.current().map(|thread| thread.priority())
    }
}

/// A piece of work was done for a thread of this priority that nobody was asked for first.
pub(super) fn note_work(cpu: &ThisCpu, priority: u8) {
    let mut worker = Worker::new(cpu);
    worker.spend(priority);
    // Says so to others, if it was the last one for now.
    let _floor = worker.floor();
}

fn period() -> u64 {
    match PERIOD.load(Ordering::Relaxed) {
        0 => {
            let period = clock().ticks_in(PERIOD_NANOSECONDS);
            PERIOD.store(period, Ordering::Relaxed);
            period
        }
        period => period,
    }
}
