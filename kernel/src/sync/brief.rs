//! Taking a lock without counting it, where each instruction counts.
//!
//! The count is for one question: whether the code that overflowed a stack held a lock. Code that calls nothing deep while
//! it holds the lock cannot be that code, so it need not count. (A trap that interrupts it is another matter, and never
//! contained.)

use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

use super::Mutex;

/// The right to use what a [`Mutex`] protects, until it is dropped. Whoever holds it calls nothing deep.
#[derive(Debug)]
pub struct BriefGuard<'lock, T> {
    mutex: &'lock Mutex<T>,
    not_send: PhantomData<*const ()>,
}

/// Takes the lock if it is free.
#[inline(always)]
pub fn try_lock_briefly<T>(mutex: &Mutex<T>) -> Option<BriefGuard<'_, T>> {
    // SAFETY: the raw lock is used as the mutex does; the guard releases it.
    let taken = unsafe { mutex.raw() }.try_lock_uncounted();
    // A guard is made only then: dropping one releases the lock.
    if taken { Some(BriefGuard { mutex, not_send: PhantomData }) } else { None }
}

impl<T> Deref for BriefGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: this value holds the lock.
        unsafe { &*self.mutex.data_ptr() }
    }
}

impl<T> DerefMut for BriefGuard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this value holds the lock, and is borrowed exclusively.
        unsafe { &mut *self.mutex.data_ptr() }
    }
}

impl<T> Drop for BriefGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: this value has held the lock since it was made.
        unsafe { self.mutex.raw().unlock_uncounted() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_lock() {
        let number = Mutex::new(1);
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
