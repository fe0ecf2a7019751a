//! Objects that close when their last capability goes.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::cpu::{self, ThisCpu};
use crate::memory::fallible::{self, OutOfHeap};

/// An object where threads wait. Other references than capabilities do not keep it open.
pub trait Close {
    /// How many capabilities of it exist.
    fn capabilities(&self) -> &AtomicUsize;

    /// The last one is gone: nobody waits here any more. Called with no lock held; may end programs.
    fn close(&self, cpu: &ThisCpu);
}

/// One capability of an object. The last one that is dropped closes it; capability spaces drop what leaves them outside
/// of their locks.
#[derive(Debug)]
pub struct Counted<T: Close>(Arc<T>);

impl<T: Close> Counted<T> {
    /// The first capability of a new object, which counts one already.
    ///
    /// # Errors
    /// [`OutOfHeap`].
    pub fn first(object: T) -> Result<Self, OutOfHeap> {
        debug_assert_eq!(object.capabilities().load(Ordering::Relaxed), 1);
        fallible::new_arc(object).map(Self)
    }

    /// Another capability of the same object.
    #[must_use]
    pub fn again(&self) -> Self {
        self.0.capabilities().fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }

    /// The object.
    #[must_use]
    #[inline(always)]
    pub const fn object(&self) -> &Arc<T> {
        &self.0
    }
}

impl<T: Close> Drop for Counted<T> {
    fn drop(&mut self) {
        if self.0.capabilities().fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.close(&cpu::this());
        }
    }
}
