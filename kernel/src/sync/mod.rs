//! The kernel's locks.

mod brief;
mod mutex;

pub use brief::{BriefGuard, try_lock_briefly};
pub use mutex::{CountedLock, Mutex, MutexGuard};
