//! The requests that wait for one CPU.

use alloc::sync::Arc;
use core::fmt;

use crossbeam_queue::SegQueue;

use super::request::Request;

/// A request, and which of its targets this is for.
pub(super) struct Delivery<O> {
    pub(super) request: Arc<Request<O>>,
    pub(super) position: usize,
}

/// The requests that wait for one CPU. `O` is the kernel's own type of operations, of which a
/// [`Flush`](crate::tlb::Flush) may be one.
pub struct Mailbox<O> {
    deliveries: SegQueue<Delivery<O>>,
}

impl<O> Mailbox<O> {
    /// An empty mailbox.
    #[must_use]
    pub const fn new() -> Self {
        Self { deliveries: SegQueue::new() }
    }

    /// Runs what waits, oldest first, and acknowledges each; tells how many ran. Called by the CPU that the
    /// mailbox belongs to, when it was poked and while it waits for a call of its own.
    ///
    /// An operation does not make a call itself. It may free memory: the last to drop a request frees it.
    pub fn answer(&self, mut run: impl FnMut(&O)) -> usize {
        let mut ran = 0;
        while let Some(Delivery { request, position }) = self.deliveries.pop() {
            ran += usize::from(request.perform(position, &mut run));
        }
        ran
    }

    /// Tells whether nothing waits; out of date at once.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.deliveries.is_empty()
    }

    pub(super) fn put(&self, delivery: Delivery<O>) {
        self.deliveries.push(delivery);
    }
}

impl<O> Default for Mailbox<O> {
    fn default() -> Self {
        Self::new()
    }
}

impl<O> fmt::Debug for Mailbox<O> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Mailbox").field("waiting", &self.deliveries.len()).finish()
    }
}
