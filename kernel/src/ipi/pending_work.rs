//! What a CPU is asked to do when it is kicked to choose anew.

use core::sync::atomic::{AtomicU64, Ordering};

use percpu::{CpuShared, per_cpu};

per_cpu! {
    /// What this CPU is asked for. Any CPU writes.
    pub zeroed static PENDING_WORK: CpuShared<PendingWork> = PendingWork::new();
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
pub struct PendingWork(AtomicU64);

impl PendingWork {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Asks for something; the caller kicks the CPU afterwards. Answers whether nobody had asked before.
    pub fn ask(&self, work: u64) -> bool {
        self.0.fetch_or(work, Ordering::SeqCst) & work == 0
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
    fn pending_work_adds_up_until_it_is_taken() {
        let pending_work = PendingWork::new();
        assert_eq!(pending_work.take(), 0);
        assert!(
            pending_work.ask(REAP) && pending_work.ask(GIVE) && pending_work.ask(FLUSH) && !pending_work.ask(FLUSH)
        );
        assert_eq!((pending_work.take(), pending_work.take()), (REAP | GIVE | FLUSH, 0));
    }
}
