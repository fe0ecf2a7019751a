//! The receiver that waits at an endpoint where nobody else does: as a rule, there is one or nobody.

use alloc::sync::Arc;
use core::ptr;

/// One word that says who waits at an endpoint: nobody at all, one receiver, or others, who are in lists. The fast path asks
/// for either of the first two, and needs one comparison for it.
#[derive(Debug)]
pub struct SoleWaiter<T>(*const T);

// SAFETY: owns an `Arc<T>` if anything.
unsafe impl<T: Send + Sync> Send for SoleWaiter<T> {}

impl<T> SoleWaiter<T> {
    /// No thread's address.
    const OTHERS: *const T = {
        assert!(align_of::<T>() > 1, "the address could be a thread's");
        ptr::dangling()
    };

    /// Whether nobody waits, in no list either.
    #[inline(always)]
    pub const fn is_nobody(&self) -> bool {
        self.0.is_null()
    }

    /// The receiver, if it waits alone.
    #[inline(always)]
    pub fn get(&self) -> Option<&T> {
        // One comparison for both values that are no thread.
        if self.0.addr() <= Self::OTHERS.addr() {
            return None;
        }
        // SAFETY: every other value comes from `Arc::into_raw` and owns a reference.
        Some(unsafe { &*self.0 })
    }

    /// Takes it out: then nobody waits.
    #[inline(always)]
    pub fn take(&mut self) -> Option<Arc<T>> {
        if self.0.addr() <= Self::OTHERS.addr() {
            return None;
        }
        let thread = core::mem::replace(&mut self.0, ptr::null());
        // SAFETY: as in `get`; the reference is given out once.
        Some(unsafe { Arc::from_raw(thread) })
    }

    /// Puts one in where nobody waits: if somebody does, that one is never freed.
    #[inline(always)]
    pub fn set(&mut self, thread: Arc<T>) {
        debug_assert!(self.is_nobody());
        self.0 = Arc::into_raw(thread);
    }

    /// Tells whether anybody is in a list. There is no sole receiver.
    pub fn set_others(&mut self, others: bool) {
        assert!(self.get().is_none());
        self.0 = if others { Self::OTHERS } else { ptr::null() };
    }
}

impl<T> Default for SoleWaiter<T> {
    fn default() -> Self {
        Self(ptr::null())
    }
}

impl<T> Drop for SoleWaiter<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_word_tells_nobody_one_and_others_apart() {
        let mut sole = SoleWaiter::<u64>::default();
        assert!(sole.is_nobody() && sole.get().is_none() && sole.take().is_none());
        let receiver = Arc::new(7);
        sole.set(Arc::clone(&receiver));
        assert!(!sole.is_nobody() && sole.get() == Some(&7));
        assert!(sole.take().is_some_and(|taken| Arc::ptr_eq(&taken, &receiver)));
        assert!(sole.is_nobody() && sole.take().is_none());
        sole.set_others(true);
        assert!(!sole.is_nobody() && sole.get().is_none() && sole.take().is_none());
        assert!(!sole.is_nobody(), "they are still there");
        sole.set_others(false);
        assert!(sole.is_nobody());
    }

    #[test]
    fn what_it_holds_goes_with_it() {
        let receiver = Arc::new(7_u64);
        let mut sole = SoleWaiter::default();
        sole.set(Arc::clone(&receiver));
        assert_eq!(Arc::strong_count(&receiver), 2);
        drop(sole);
        assert_eq!(Arc::strong_count(&receiver), 1);
    }

    #[test]
    #[should_panic(expected = "assertion failed")]
    fn others_are_not_noted_beside_one_that_is_alone() {
        let mut sole = SoleWaiter::default();
        sole.set(Arc::new(7_u64));
        sole.set_others(true);
    }
}
