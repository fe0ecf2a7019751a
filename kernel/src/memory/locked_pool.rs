//! The one pool of free frames, under its lock, and how many it holds, which may be asked without.
//!
//! Whoever gets a page for a program asks whether frames are scarce, on every CPU for every page. Under the lock that
//! would be the one thing that all page faults of the machine wait for.

use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;

use super::frame_pool::FramePool;
use crate::sync::{Mutex, MutexGuard, rank};

static POOL: Mutex<FramePool, rank::Pool> = Mutex::new(FramePool::new());
/// On a line of its own: the lock's is written by whoever waits for it.
static AVAILABLE: CachePadded<AtomicU64> = CachePadded::new(AtomicU64::new(0));

/// The pool, as long as the lock is held.
pub(super) struct LockedPool(MutexGuard<'static, FramePool, rank::Pool>);

/// Takes the lock.
pub(super) fn pool() -> LockedPool {
    LockedPool(POOL.lock())
}

/// Frames in the pool that [`FramePool::take_any`] can give, as the last who had the lock left them.
pub(super) fn available() -> u64 {
    AVAILABLE.load(Ordering::Relaxed)
}

impl Drop for LockedPool {
    fn drop(&mut self) {
        // The lock is still held: it goes with the field, behind this.
        AVAILABLE.store(self.0.free_for_ordinary_use(), Ordering::Relaxed);
    }
}

impl Deref for LockedPool {
    type Target = FramePool;

    fn deref(&self) -> &FramePool {
        &self.0
    }
}

impl DerefMut for LockedPool {
    fn deref_mut(&mut self) -> &mut FramePool {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::{available, pool};
    use crate::memory::Frame;
    use crate::memory::test_memory;

    #[test]
    fn what_is_available_is_known_without_the_lock() {
        let _guard = test_memory::frames();
        let before = available();
        let held: Vec<Frame> = (0..300).filter_map(|_| Frame::allocate().ok()).collect();
        assert_eq!(available(), pool().free_for_ordinary_use());
        assert!(held.len() == 300 && available() < before, "{before} before, {} now", available());
        drop(held);
        assert_eq!(available(), pool().free_for_ordinary_use());
    }
}
