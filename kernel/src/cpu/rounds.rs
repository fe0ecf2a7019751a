//! Work that other CPUs ask a CPU to do, and wait for: numbered rounds.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Rounds of one kind of work. Whoever asks gets the number of a round that begins later.
#[derive(Debug, Default)]
pub struct Rounds {
    wanted: AtomicBool,
    started: AtomicU64,
    done: AtomicU64,
}

impl Rounds {
    /// Asks for a round and answers its number. What was written before is seen by it. The caller pokes the CPU.
    #[must_use]
    pub fn ask(&self) -> u64 {
        let number = self.started.load(Ordering::SeqCst) + 1;
        self.wanted.store(true, Ordering::SeqCst);
        number
    }

    /// Whether the round with this number, and all before it, are over.
    #[must_use]
    pub fn is_done(&self, number: u64) -> bool {
        self.done.load(Ordering::SeqCst) >= number
    }

    /// Whether anybody asked for a round that has not begun.
    fn is_asked(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Does a round if anybody asked for one. Only on the owning CPU.
    pub fn serve<R>(&self, work: impl FnOnce() -> R) -> Option<R> {
        if !self.is_asked() {
            return None;
        }
        // Who asks from here on asks for another one.
        self.wanted.swap(false, Ordering::SeqCst);
        let number = self.started.fetch_add(1, Ordering::SeqCst) + 1;
        let result = work();
        self.done.store(number, Ordering::SeqCst);
        Some(result)
    }
}

#[cfg(test)]
mod tests {
    use super::Rounds;

    #[test]
    fn a_round_that_was_under_way_does_not_count() {
        let rounds = Rounds::default();
        assert_eq!(rounds.serve(|| ()), None);
        let first = rounds.ask();
        assert!(!rounds.is_done(first));
        let asked_meanwhile = rounds.serve(|| rounds.ask());
        assert!(rounds.is_done(first));
        assert_eq!(asked_meanwhile, Some(first + 1), "this one began too early");
        assert!(!rounds.is_done(first + 1));
        assert_eq!(rounds.serve(|| ()), Some(()));
        assert!(rounds.is_done(first + 1));
        assert_eq!(rounds.serve(|| ()), None);
    }
}
