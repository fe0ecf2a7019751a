//! What a CPU shows others of how threads are placed, and what they ask of it.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use percpu::CpuIndex;

/// Nobody asks.
const NOBODY: u32 = u32::MAX;

/// One CPU's part in placing threads.
#[derive(Debug)]
pub struct Placement {
    /// The CPU that asks for a thread.
    asker: AtomicU32,
    placed: AtomicU64,
    given: AtomicU64,
    asked: AtomicU64,
    waited_beside_idle: AtomicU64,
}

/// Counts by one, on the only CPU that writes.
fn count(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

impl Placement {
    pub(super) const fn new() -> Self {
        Self {
            asker: AtomicU32::new(NOBODY),
            placed: AtomicU64::new(0),
            given: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            waited_beside_idle: AtomicU64::new(0),
        }
    }

    /// Asks this CPU for a thread, on behalf of another one; `false` if a third asks already.
    pub fn ask(&self, asker: CpuIndex) -> bool {
        self.asker.compare_exchange(NOBODY, asker.get(), Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Who asks. Only on the owning CPU.
    pub fn take_asker(&self) -> Option<CpuIndex> {
        let asker = self.asker.swap(NOBODY, Ordering::AcqRel);
        (asker != NOBODY).then(|| CpuIndex::new(asker))
    }

    /// Counts a thread that this CPU sent to an idle one. Only on the owning CPU.
    pub fn count_placed(&self) {
        count(&self.placed);
    }

    /// Counts a thread that this CPU gave to one that asked. Only on the owning CPU.
    pub fn count_given(&self) {
        count(&self.given);
    }

    /// Counts that this CPU asked another one. Only on the owning CPU.
    pub fn count_asked(&self) {
        count(&self.asked);
    }

    /// Notes how often in a row a thread waited here while a CPU slept. Only on the owning CPU.
    pub fn note_waited_beside_idle(&self, in_a_row: u64) {
        if in_a_row > self.waited_beside_idle() {
            self.waited_beside_idle.store(in_a_row, Ordering::Relaxed);
        }
    }

    /// Threads that this CPU sent to idle ones.
    #[must_use]
    pub fn placed(&self) -> u64 {
        self.placed.load(Ordering::Relaxed)
    }

    /// Threads that this CPU gave to CPUs that asked.
    #[must_use]
    pub fn given(&self) -> u64 {
        self.given.load(Ordering::Relaxed)
    }

    /// How often this CPU asked for a thread.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// The most slices in a row at whose end a thread waited here while a CPU where it may run slept.
    #[must_use]
    pub fn waited_beside_idle(&self) -> u64 {
        self.waited_beside_idle.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::Placement;
    use percpu::CpuIndex;

    #[test]
    fn one_asks_at_a_time() {
        let placement = Placement::new();
        assert_eq!(placement.take_asker(), None);
        assert!(placement.ask(CpuIndex::BOOT) && !placement.ask(CpuIndex::new(2)) && !placement.ask(CpuIndex::BOOT));
        assert_eq!(placement.take_asker(), Some(CpuIndex::BOOT));
        assert!(placement.take_asker().is_none() && placement.ask(CpuIndex::new(2)));
    }

    #[test]
    fn the_longest_row_is_kept() {
        let placement = Placement::new();
        [1, 2, 0, 1].into_iter().for_each(|in_a_row| placement.note_waited_beside_idle(in_a_row));
        assert_eq!(placement.waited_beside_idle(), 2);
    }
}
