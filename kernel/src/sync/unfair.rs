//! A spin lock that is had by whoever finds it free: for what fast paths take briefly.
//!
//! A fair lock costs one instruction more to let go, which is one too many for a message. What this one guards is an object of its own
//! for whoever uses it, an endpoint or a table of capabilities, and nobody holds it for long.

use core::hint::spin_loop;
use core::sync::atomic::{AtomicBool, Ordering};

use super::raw::Lock;

/// The lock; unfair, and a byte large.
#[derive(Debug)]
pub struct UnfairLock(AtomicBool);

impl Lock for UnfairLock {
    const FREE: Self = Self(AtomicBool::new(false));

    #[inline(always)]
    fn try_lock(&self) -> bool {
        self.0.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    #[inline(always)]
    fn lock(&self) {
        while self.0.compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            while self.is_locked() {
                spin_loop();
            }
        }
    }

    #[inline(always)]
    unsafe fn unlock(&self) {
        self.0.store(false, Ordering::Release);
    }

    fn is_locked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    unsafe fn steal(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
