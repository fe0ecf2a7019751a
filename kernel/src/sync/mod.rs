//! The kernel's locks. See `docs/locks.md`.

mod brief;
mod fair;
mod held;
#[cfg(all(test, loom))]
mod model;
mod mutex;
pub mod rank;

pub use brief::{BriefGuard, try_lock_briefly};
pub use held::{assert_no_locks_held, give_up_order};
pub use mutex::{Mutex, MutexGuard, RankedLock, steal};

/// What the lock is made of; its model has others.
mod atomics {
    pub(super) use core::hint::spin_loop as relax;
    pub(super) use core::sync::atomic::{AtomicU16, AtomicU32, Ordering};
}
