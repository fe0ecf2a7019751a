//! What a CPU is asked to do when it is kicked to choose anew.

use core::sync::atomic::{AtomicU64, Ordering};

use percpu::{CpuShared, per_cpu};

per_cpu! {
    /// What this CPU is asked for. Any CPU writes.
    pub zeroed static ERRANDS: CpuShared<Errands> = Errands::new();
}

/// Programs are ending that may have threads here.
pub const REAP: u64 = 1;
/// Another CPU asks for a thread.
pub const GIVE: u64 = 2;
/// Threads are to stop or to leave.
pub const ATTEND: u64 = 4;
/// It has not answered a TLB shootdown in time, and is to forget all translations.
pub const FLUSH: u64 = 8;

/// A set of [`REAP`], [`GIVE`], [`ATTEND`] and [`FLUSH`].
#[derive(Debug)]
pub struct Errands(AtomicU64);

impl Errands {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Asks for something; the caller kicks the CPU afterwards. Answers whether nobody had asked before.
    pub fn ask(&self, errand: u64) -> bool {
        self.0.fetch_or(errand, Ordering::SeqCst) & errand == 0
    }

    /// What was asked for since the last call. Only on the owning CPU.
    #[inline(always)]
    pub fn take(&self) -> u64 {
        if self.0.load(Ordering::Relaxed) == 0 { 0 } else { self.0.swap(0, Ordering::SeqCst) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errands_add_up_until_they_are_taken() {
        let errands = Errands::new();
        assert_eq!(errands.take(), 0);
        assert!(errands.ask(REAP) && errands.ask(GIVE) && errands.ask(FLUSH) && !errands.ask(FLUSH));
        assert_eq!((errands.take(), errands.take()), (REAP | GIVE | FLUSH, 0));
    }
}
