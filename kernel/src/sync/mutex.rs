//! A spin lock with a rank.
//!
//! The lock itself is in [`fair`](super::fair) or [`unfair`](super::unfair), the mutex around it `lock_api`'s. What is added is that the CPU notes the
//! rank while it holds the lock, and that locks are taken in the order of the ranks: see [`rank`](super::rank) and [`held`](super::held).
//! The fast path of messages does without, see [`try_lock_briefly`](super::try_lock_briefly). All locks of the kernel are of
//! this type (`spin` is built without its own).

use lock_api::{GuardNoSend, RawMutex};

use super::held;
use super::rank::Rank;
use super::raw::Lock;

/// A mutual exclusion lock around `T`, of the rank `R`. A CPU that waits for it spins.
pub type Mutex<T, R> = lock_api::Mutex<RankedLock<R>, T>;
/// The right to use what a [`Mutex`] protects, until it is dropped.
pub type MutexGuard<'lock, T, R> = lock_api::MutexGuard<'lock, RankedLock<R>, T>;

/// The lock itself.
#[derive(Debug)]
pub struct RankedLock<R: Rank>(R::Lock);

impl<R: Rank> RankedLock<R> {
    /// Takes the lock if it is free.
    #[inline(always)]
    pub(super) fn try_lock_unnoted(&self) -> bool {
        self.0.try_lock()
    }

    /// Lets the lock go.
    ///
    /// # Safety
    /// The caller has taken it, by [`Self::try_lock_unnoted`].
    #[inline(always)]
    pub(super) unsafe fn unlock_unnoted(&self) {
        // SAFETY: by the contract.
        unsafe { self.0.unlock() };
    }
}

// SAFETY: the exclusion is that of the lock inside; what is noted protects nothing.
unsafe impl<R: Rank> RawMutex for RankedLock<R> {
    const INIT: Self = Self(<R::Lock as Lock>::FREE);

    type GuardMarker = GuardNoSend;

    #[inline(always)]
    fn lock(&self) {
        // Before it is had: a failure in between finds a lock held, which errs on the safe side.
        held::note_in_order::<R>();
        self.0.lock();
    }

    #[inline(always)]
    fn try_lock(&self) -> bool {
        if !held::note::<R>() {
            return false;
        }
        let taken = self.0.try_lock();
        if !taken {
            held::forget::<R>();
        }
        taken
    }

    #[inline(always)]
    unsafe fn unlock(&self) {
        // SAFETY: the caller holds the lock.
        unsafe { self.0.unlock() };
        held::forget::<R>();
    }

    fn is_locked(&self) -> bool {
        self.0.is_locked()
    }
}

/// Takes a lock from whoever holds it or waits for it. For the end of the machine.
///
/// # Safety
/// None of them goes on, and whatever a holder left half done does no harm to the caller.
pub unsafe fn steal<T, R: Rank>(mutex: &Mutex<T, R>) -> MutexGuard<'_, T, R> {
    held::give_up_order();
    // SAFETY: the lock is used as the mutex does, and by the contract nobody else uses it.
    unsafe { mutex.raw().0.steal() };
    // SAFETY: the lock is held now, and no guard of it is in use.
    unsafe { mutex.make_guard_unchecked() }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::rank::{Forest, Heap, Life};
    use super::*;

    #[test]
    fn it_excludes() {
        static NUMBER: Mutex<u64, Life> = Mutex::new(0);
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

    fn words(work: impl FnOnce() + std::panic::UnwindSafe) -> std::string::String {
        let failure = std::panic::catch_unwind(work).expect_err("nothing failed");
        *failure.downcast().expect("a text")
    }

    #[test]
    fn locks_are_taken_in_order() {
        static LIFE: Mutex<(), Life> = Mutex::new(());
        static OTHER_LIFE: Mutex<(), Life> = Mutex::new(());
        static FOREST: Mutex<(), Forest> = Mutex::new(());
        static HEAP: Mutex<(), Heap> = Mutex::new(());
        for _ in 0..2 {
            let _life = LIFE.lock();
            let _forest = FOREST.lock();
            let _heap = HEAP.lock();
        }
        held::assert_no_locks_held("a test ends");
        let wrong = words(|| {
            let _forest = FOREST.lock();
            let _life = LIFE.lock();
        });
        assert_eq!(wrong, "lock order: Life was to be taken while Forest is held");
        let twice = words(|| {
            let _life = LIFE.lock();
            let _other = OTHER_LIFE.lock();
        });
        assert_eq!(twice, "lock order: Life was to be taken while Life is held");
    }

    #[test]
    fn what_does_not_wait_needs_no_order() {
        static LIFE: Mutex<(), Life> = Mutex::new(());
        static OTHER_LIFE: Mutex<(), Life> = Mutex::new(());
        static FOREST: Mutex<(), Forest> = Mutex::new(());
        let forest = FOREST.lock();
        let life = LIFE.try_lock();
        assert!(life.is_some());
        // Two of one rank could not be told apart.
        assert!(OTHER_LIFE.try_lock().is_none());
        let words = words(|| held::assert_no_locks_held("waiting for CPU 1"));
        assert_eq!(words, "lock order: waiting for CPU 1 while Forest is held");
        drop((life, forest));
    }

    #[test]
    fn a_lock_can_be_stolen() {
        static LIFE: Mutex<u64, Life> = Mutex::new(7);
        core::mem::forget(LIFE.lock());
        // SAFETY: this thread held it, and has forgotten that.
        let stolen = unsafe { steal(&LIFE) };
        assert_eq!(*stolen, 7);
        drop(stolen);
        assert!(LIFE.try_lock().is_some());
    }
}
