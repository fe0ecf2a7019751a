//! Taking a lock without noting it, where each instruction counts.
//!
//! What is noted is for two questions: whether a lock that must be waited for is taken in order, and whether the code that overflowed
//! a stack held a lock. Code that waits for no lock and calls nothing deep while it holds this one is no case of either, so it need not
//! note it. (A trap that interrupts it is another matter, and never contained.)

use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

use super::Mutex;
use super::rank::Rank;

/// The right to use what a [`Mutex`] protects, until it is dropped. Whoever holds it calls nothing deep, and waits for no lock.
#[derive(Debug)]
pub struct BriefGuard<'lock, T, R: Rank> {
    mutex: &'lock Mutex<T, R>,
    not_send: PhantomData<*const ()>,
}

/// Takes the lock if it is free.
#[inline(always)]
pub fn try_lock_briefly<T, R: Rank>(mutex: &Mutex<T, R>) -> Option<BriefGuard<'_, T, R>> {
    // SAFETY: the raw lock is used as the mutex does; the guard releases it.
    let taken = unsafe { mutex.raw() }.try_lock_unnoted();
    // A guard is made only then: dropping one releases the lock.
    if taken { Some(BriefGuard { mutex, not_send: PhantomData }) } else { None }
}

impl<'lock, T, R: Rank> BriefGuard<'lock, T, R> {
    /// The guard of a lock that is held already.
    ///
    /// # Safety
    /// [`try_lock_briefly`] has answered the caller a guard of this lock, which was forgotten.
    #[must_use]
    #[inline(always)]
    pub const unsafe fn held(mutex: &'lock Mutex<T, R>) -> Self {
        Self { mutex, not_send: PhantomData }
    }
}

impl<T, R: Rank> Deref for BriefGuard<'_, T, R> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: this value holds the lock.
        unsafe { &*self.mutex.data_ptr() }
    }
}

impl<T, R: Rank> DerefMut for BriefGuard<'_, T, R> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this value holds the lock, and is borrowed exclusively.
        unsafe { &mut *self.mutex.data_ptr() }
    }
}

impl<T, R: Rank> Drop for BriefGuard<'_, T, R> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: this value has held the lock since it was made.
        unsafe { self.mutex.raw().unlock_unnoted() };
    }
}

#[cfg(test)]
mod tests {
    use super::super::rank;
    use super::*;

    #[test]
    fn it_is_the_same_lock() {
        let number = Mutex::<_, rank::Table>::new(1);
        let mut brief = try_lock_briefly(&number).unwrap();
        *brief += 1;
        // Twice: who does not get it does not release it.
        assert!(try_lock_briefly(&number).is_none() && try_lock_briefly(&number).is_none());
        assert!(number.try_lock().is_none());
        drop(brief);
        let held = number.lock();
        assert!(*held == 2 && try_lock_briefly(&number).is_none() && number.try_lock().is_none());
    }
}
