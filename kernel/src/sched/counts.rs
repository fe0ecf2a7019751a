//! What a CPU counts of its scheduling, for others to read.

use core::sync::atomic::{AtomicU64, Ordering};

/// One CPU's counts. Only it writes.
#[derive(Debug)]
pub struct Counts {
    switches: AtomicU64,
    placed: AtomicU64,
    given: AtomicU64,
    asked: AtomicU64,
    waited_beside_idle: AtomicU64,
}

/// Counts by one, on the only CPU that writes.
#[inline(always)]
fn count(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

impl Counts {
    /// Nothing was counted.
    pub(super) const fn new() -> Self {
        Self {
            switches: AtomicU64::new(0),
            placed: AtomicU64::new(0),
            given: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            waited_beside_idle: AtomicU64::new(0),
        }
    }

    /// Counts a switch to a thread. Only on the owning CPU.
    #[inline(always)]
    pub fn count_switch(&self) {
        count(&self.switches);
    }

    /// Switches to threads so far.
    #[must_use]
    pub fn switches(&self) -> u64 {
        self.switches.load(Ordering::Relaxed)
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
    use super::Counts;

    #[test]
    fn the_longest_row_is_kept() {
        let counts = Counts::new();
        [1, 2, 0, 1].into_iter().for_each(|in_a_row| counts.note_waited_beside_idle(in_a_row));
        assert_eq!(counts.waited_beside_idle(), 2);
    }

    #[test]
    fn each_is_counted_for_itself() {
        let counts = Counts::new();
        (0..3).for_each(|_| counts.count_switch());
        (0..2).for_each(|_| counts.count_given());
        counts.count_placed();
        assert_eq!((counts.switches(), counts.given(), counts.placed(), counts.asked()), (3, 2, 1, 0));
    }
}
