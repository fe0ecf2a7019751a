//! Threads of one CPU that are about to end, one after the other.
//!
//! The end of a thread can bring that of others: whoever it owed a reply, whose program ends with it, and so on along
//! chains that programs make as long as they like. So none is ended inside the end of another: each waits here, and the
//! outermost goes through all. The kernel's stack does not grow with the chain.

use alloc::sync::Arc;

use intrusive_collections::LinkedList;

use crate::thread::{QueueAdapter, Thread};

/// What is to become of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It is off every CPU and list for good, and is freed.
    Gone,
    /// It waits for a handler that will not reply: its program ends for the fault.
    Unhandled,
    /// It has waited for its handler for too long: its program ends.
    TimedOut,
}

/// Threads that are about to end on one CPU.
pub struct Departures {
    gone: LinkedList<QueueAdapter>,
    unhandled: LinkedList<QueueAdapter>,
    timed_out: LinkedList<QueueAdapter>,
    /// Somebody is going through them.
    under_way: bool,
}

// SAFETY: the lists hold `Arc`s; they belong to one CPU at a time.
unsafe impl Send for Departures {}

impl core::fmt::Debug for Departures {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(out, "Departures(under way: {})", self.under_way)
    }
}

impl Departures {
    /// Nobody.
    #[must_use]
    pub fn new() -> Self {
        let list = || LinkedList::new(QueueAdapter::new());
        Self { gone: list(), unhandled: list(), timed_out: list(), under_way: false }
    }

    /// Puts a thread in, if somebody is going through them. Else it comes back, as the first for the caller, who then goes
    /// through all, by [`Self::take`].
    #[must_use]
    #[inline(always)]
    pub fn begin(&mut self, departure: Departure, thread: Arc<Thread>) -> Option<(Departure, Arc<Thread>)> {
        if !core::mem::replace(&mut self.under_way, true) {
            return Some((departure, thread));
        }
        match departure {
            Departure::Gone => self.gone.push_back(thread),
            Departure::Unhandled => self.unhandled.push_back(thread),
            Departure::TimedOut => self.timed_out.push_back(thread),
        }
        None
    }

    /// Whether somebody is going through them.
    #[must_use]
    pub const fn is_under_way(&self) -> bool {
        self.under_way
    }

    /// The next one; after the last, whoever puts one in begins anew.
    #[must_use]
    pub fn take(&mut self) -> Option<(Departure, Arc<Thread>)> {
        let gone = self.gone.pop_front().map(|thread| (Departure::Gone, thread));
        let next = gone
            .or_else(|| self.unhandled.pop_front().map(|thread| (Departure::Unhandled, thread)))
            .or_else(|| self.timed_out.pop_front().map(|thread| (Departure::TimedOut, thread)));
        self.under_way = next.is_some();
        next
    }
}

impl Default for Departures {
    fn default() -> Self {
        Self::new()
    }
}
