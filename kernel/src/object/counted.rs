//! Objects that close when their last capability goes.

use alloc::sync::Arc;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicUsize, Ordering};

use gatehouse_core::intrusive::{End, Stage};

use crate::cpu::{self, ThisCpu};
use crate::memory::fallible::{self, OutOfHeap};
use crate::sched::EXIT_QUEUE;

/// An object where threads wait. Other references than capabilities do not keep it open.
///
/// # Safety
/// [`Self::EXIT_LINK`] is what it says.
pub unsafe trait Close {
    /// How many capabilities of it exist.
    fn capabilities(&self) -> &AtomicUsize;

    /// Where in it there is an [`ExitLink`](gatehouse_core::intrusive::ExitLink), in bytes, by which it waits to be closed and that serves
    /// nothing else.
    const EXIT_LINK: usize;

    /// The last one is gone: nobody waits here any more. Called from the exit queue, with no lock held.
    fn close(&self, cpu: &ThisCpu);
}

/// An object whose last capability is gone.
struct Closing<T>(PhantomData<T>);

// SAFETY: the last capability of an object goes once, since others come from capabilities only; `Close` promises the link.
unsafe impl<T: Close + Send + Sync + 'static> End for Closing<T> {
    type Object = T;
    type Cpu = ThisCpu;
    const STAGE: Stage = Stage::Object;
    const LINK: usize = T::EXIT_LINK;

    fn run(object: Arc<T>, cpu: &ThisCpu) {
        object.close(cpu);
    }
}

/// One capability of an object. When the last one has been dropped, wherever that is, the exit queue closes the object.
#[derive(Debug)]
pub struct Counted<T: Close + Send + Sync + 'static>(Arc<T>);

impl<T: Close + Send + Sync + 'static> Counted<T> {
    /// The first capability of a new object, which counts one already.
    ///
    /// # Errors
    /// [`OutOfHeap`].
    pub fn first(object: T) -> Result<Self, OutOfHeap> {
        assert_eq!(object.capabilities().load(Ordering::Relaxed), 1);
        fallible::new_arc(object).map(Self)
    }

    /// The object.
    #[must_use]
    #[inline(always)]
    pub const fn object(&self) -> &Arc<T> {
        &self.0
    }
}

/// Another capability of the same object.
impl<T: Close + Send + Sync + 'static> Clone for Counted<T> {
    fn clone(&self) -> Self {
        self.0.capabilities().fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl<T: Close + Send + Sync + 'static> Drop for Counted<T> {
    fn drop(&mut self) {
        if self.0.capabilities().fetch_sub(1, Ordering::AcqRel) == 1 {
            EXIT_QUEUE.of(&cpu::this()).put::<Closing<T>>(Arc::clone(&self.0));
        }
    }
}
