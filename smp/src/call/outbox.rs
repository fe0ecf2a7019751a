//! What a CPU asks of others.

use crate::atomic::{AtomicBool, AtomicU32, Ordering, UnsafeCell};

/// The one call that a CPU makes at a time. `O` is the kernel's own type of operations, of which a
/// [`Flush`](crate::tlb::Flush) may be one.
#[derive(Debug)]
pub struct Outbox<O> {
    /// A call is being made.
    in_use: AtomicBool,
    /// Requests that were ever sent and not taken back, modulo 2^32. Only the caller writes.
    sent: AtomicU32,
    /// Requests that were ever carried out, modulo 2^32.
    done: AtomicU32,
    /// Written while no request is out; read by whoever has taken one.
    operation: UnsafeCell<Option<O>>,
}

// SAFETY: `operation` is written only by the holder of `in_use`, while every request that was sent is done, so nobody reads
// it; and read only by targets between taking a request and counting it done. What is shared is copied: `O` is `Copy`.
unsafe impl<O: Copy + Send> Sync for Outbox<O> {}

impl<O: Copy> Outbox<O> {
    /// An outbox from which nothing was sent.
    #[must_use]
    pub fn new() -> Self {
        Self {
            in_use: AtomicBool::new(false),
            sent: AtomicU32::new(0),
            done: AtomicU32::new(0),
            operation: UnsafeCell::new(None),
        }
    }

    /// Takes the outbox for a call; `false` if one is being made.
    #[inline]
    pub(super) fn claim(&self) -> bool {
        !self.in_use.swap(true, Ordering::Acquire)
    }

    /// Gives the outbox back. Only by who has claimed it.
    #[inline]
    pub(super) fn release(&self) {
        self.in_use.store(false, Ordering::Release);
    }

    /// Whether all requests that were sent have been carried out or taken back. What the targets did is visible then.
    #[inline]
    pub(super) fn is_settled(&self) -> bool {
        self.done.load(Ordering::Acquire) == self.sent.load(Ordering::Relaxed)
    }

    /// Puts the operation in for the requests that follow; `false` while a request is out. Only by who has claimed it.
    #[inline(always)]
    #[must_use]
    pub(super) fn write(&self, operation: O) -> bool {
        if !self.is_settled() {
            return false;
        }
        // SAFETY: by `in_use` nobody else writes, and by what was just seen no target has a request, so nobody reads.
        self.operation.with_mut(|place| unsafe { *place = Some(operation) });
        true
    }

    /// Counts a request that is about to be sent. Only by who has claimed it.
    #[inline]
    pub(super) fn count_sent(&self) {
        self.sent.store(self.sent.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// Counts a request as never sent: it was taken back. Only by who has claimed it.
    #[inline]
    pub(super) fn count_taken_back(&self) {
        self.sent.store(self.sent.load(Ordering::Relaxed).wrapping_sub(1), Ordering::Relaxed);
    }

    /// The operation. Only by a target that has taken a request and not yet counted it done.
    #[inline]
    pub(super) fn operation(&self) -> Option<O> {
        // SAFETY: the request is out until it is counted done, so nobody writes; taking it acquired what the caller wrote.
        self.operation.with(|place| unsafe { *place })
    }

    /// Counts a request as carried out, and publishes what it did.
    #[inline]
    pub(super) fn count_done(&self) {
        self.done.fetch_add(1, Ordering::AcqRel);
    }
}

impl<O: Copy> Default for Outbox<O> {
    fn default() -> Self {
        Self::new()
    }
}
