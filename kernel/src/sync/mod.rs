//! The kernel's locks. See `docs/locks.md`.

mod brief;
mod fair;
pub mod graph;
mod held;
#[cfg(all(test, loom))]
mod model;
mod mutex;
pub mod rank;
mod raw;
mod unfair;

pub use brief::{BriefGuard, try_lock_briefly};
pub use held::{assert_no_locks_held, give_up_order};
pub use mutex::{Mutex, MutexGuard, RankedLock, steal};

impl raw::Lock for fair::FairLock {
    const FREE: Self = Self {
        word: core::sync::atomic::AtomicU32::new(0),
        next: core::sync::atomic::AtomicU16::new(0),
        first: core::sync::atomic::AtomicU16::new(0),
    };

    #[inline(always)]
    fn try_lock(&self) -> bool {
        self.try_lock()
    }

    #[inline(always)]
    fn lock(&self) {
        self.lock();
    }

    #[inline(always)]
    unsafe fn unlock(&self) {
        // SAFETY: the caller holds it.
        unsafe { self.unlock() };
    }

    fn is_locked(&self) -> bool {
        self.is_locked()
    }

    unsafe fn steal(&self) {
        // SAFETY: the caller's promise.
        unsafe { self.steal() };
    }
}

/// What the lock is made of; its model has others.
mod atomics {
    pub(super) use core::hint::spin_loop as relax;
    pub(super) use core::sync::atomic::{AtomicU16, AtomicU32, Ordering};
}
