//! The receiver that waits at an endpoint where nobody else does: as a rule, there is one or nobody.

use alloc::sync::Arc;
use core::ptr;

/// One word that says who waits at an endpoint: nobody at all, one receiver, or others, who are in lists. The fast path asks
/// for either of the first two, and needs one comparison for it.
#[derive(Debug)]
pub struct LoneReceiver<T>(*const T);

// SAFETY: owns an `Arc<T>` if anything.
unsafe impl<T: Send + Sync> Send for LoneReceiver<T> {}

impl<T> LoneReceiver<T> {
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

    /// Tells whether anybody is in a list. There is no lone receiver.
    pub fn set_others(&mut self, others: bool) {
        assert!(self.get().is_none());
        self.0 = if others { Self::OTHERS } else { ptr::null() };
    }
}

impl<T> Default for LoneReceiver<T> {
    fn default() -> Self {
        Self(ptr::null())
    }
}

impl<T> Drop for LoneReceiver<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}
