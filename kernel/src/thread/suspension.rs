//! Who was asked to stop a thread.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use percpu::CpuIndex;

/// The last request to stop the thread. Under the lock of the program's life.
#[derive(Debug, Default)]
pub struct Suspension {
    cpu: AtomicU32,
    round: AtomicU64,
}

impl Suspension {
    /// Notes the CPU that was asked, and the number of the round in which it will have stopped the thread.
    pub fn ask(&self, cpu: CpuIndex, round: u64) {
        self.cpu.store(cpu.get(), Ordering::Relaxed);
        self.round.store(round, Ordering::Relaxed);
    }

    /// What was noted.
    #[must_use]
    pub fn asked(&self) -> (CpuIndex, u64) {
        (CpuIndex::new(self.cpu.load(Ordering::Relaxed)), self.round.load(Ordering::Relaxed))
    }
}
