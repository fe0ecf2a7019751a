//! A spin lock that its CPU counts while it holds it.
//!
//! The lock is `spin`'s, the mutex around it `lock_api`'s; what is added is one instruction when it is taken and one when it
//! is released, on a word that only this CPU writes. So that after a failure the kernel knows whether the code that
//! failed held a lock, which nobody would ever release: see `containment`. The short way of messages does without, see [`try_lock_briefly`](super::try_lock_briefly).
//! All locks of the kernel are of this type
//! (`clippy.toml` forbids the other).

use lock_api::{GuardNoSend, RawMutex};

/// A mutual exclusion lock around `T`. A CPU that waits for it spins.
pub type Mutex<T> = lock_api::Mutex<CountedLock, T>;
/// The right to use what a [`Mutex`] protects, until it is dropped.
pub type MutexGuard<'lock, T> = lock_api::MutexGuard<'lock, CountedLock, T>;

/// The lock itself.
#[derive(Debug)]
pub struct CountedLock(Spin);

#[expect(clippy::disallowed_types, reason = "the one place that makes it a counted lock")]
type Spin = spin::Mutex<()>;

impl CountedLock {
    /// Takes the lock if it is free.
    #[inline(always)]
    pub(super) fn try_lock_uncounted(&self) -> bool {
        RawMutex::try_lock(&self.0)
    }

    /// Releases the lock.
    ///
    /// # Safety
    /// The caller has taken it, by [`Self::try_lock_uncounted`].
    #[inline(always)]
    pub(super) unsafe fn unlock_uncounted(&self) {
        // SAFETY: by the contract.
        unsafe { RawMutex::unlock(&self.0) };
    }
}

// SAFETY: the exclusion is that of the lock inside; the count protects nothing.
unsafe impl RawMutex for CountedLock {
    const INIT: Self = Self(Spin::new(()));

    type GuardMarker = GuardNoSend;

    #[inline(always)]
    fn lock(&self) {
        // Counted before it is had: a failure in between counts as a lock that is held, which errs on the safe side.
        // SAFETY: kernel code runs with the GS base of its CPU's block, or of the early block.
        unsafe { percpu::lock_is_taken() };
        RawMutex::lock(&self.0);
    }

    #[inline(always)]
    fn try_lock(&self) -> bool {
        // SAFETY: as above.
        unsafe { percpu::lock_is_taken() };
        let taken = RawMutex::try_lock(&self.0);
        if !taken {
            // SAFETY: as above.
            unsafe { percpu::lock_is_released() };
        }
        taken
    }

    #[inline(always)]
    unsafe fn unlock(&self) {
        // SAFETY: the caller holds the lock.
        unsafe { RawMutex::unlock(&self.0) };
        // SAFETY: as above.
        unsafe { percpu::lock_is_released() };
    }

    fn is_locked(&self) -> bool {
        RawMutex::is_locked(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_excludes() {
        static NUMBER: Mutex<u64> = Mutex::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| *NUMBER.lock() += 1));
            }
        });
        let held = NUMBER.lock();
        assert_eq!(*held, 4000);
        assert!(NUMBER.try_lock().is_none());
        drop(held);
        assert!(NUMBER.try_lock().is_some());
    }
}
