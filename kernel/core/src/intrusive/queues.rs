//! Who waits at an endpoint, and in which order.

use alloc::sync::Arc;

use intrusive_collections::linked_list::LinkedListOps;
use intrusive_collections::rbtree::RBTreeOps;
use intrusive_collections::{Adapter, DefaultPointerOps, KeyAdapter, LinkedList, RBTree};

use super::sole_waiter::SoleWaiter;

/// Where a sender stands among others: those of a higher priority go first, and of one priority those that came first.
///
/// One word: how far its priority is below the highest, and below that how many senders had come before it since the queue was
/// made, which are fewer than 2^56: at one in ten nanoseconds, for twenty years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Turn(u64);

impl Turn {
    const TICKET_BITS: u32 = 56;

    const fn new(priority: u8, ticket: u64) -> Self {
        Self((!priority as u64) << Self::TICKET_BITS | ticket)
    }
}

/// What waits: a thread; in tests, something that needs no machine.
///
/// # Safety
/// [`Self::is_sender`] says what it says.
pub unsafe trait Waiter: Sized {
    /// Leads from it to its link, which is in no list while it does not wait.
    type Adapter: Adapter<LinkOps: LinkedListOps, PointerOps = DefaultPointerOps<Arc<Self>>> + Default;
    /// The same among senders.
    type Senders: for<'waiter> KeyAdapter<'waiter, LinkOps: RBTreeOps, PointerOps = DefaultPointerOps<Arc<Self>>, Key = Turn>
        + Default;

    /// Senders of a higher one go first.
    fn priority(&self) -> u8;

    /// Whether it waits to send a fault.
    fn sends_fault(&self) -> bool;

    /// Its turn among the senders. Only while it is in no queue.
    fn set_turn(&self, turn: Turn);

    /// Whether it is among the senders of some endpoint.
    fn is_sender(&self) -> bool;

    /// It has been taken out of its queue, whose lock is held.
    fn leave(&self);
}

/// Who waits. At most one of senders and receivers has anybody in it.
///
/// Everything costs the same however many wait, but for what a sender costs: a step for each doubling of their number.
pub struct Queues<W: Waiter> {
    senders: RBTree<W::Senders>,
    receivers: LinkedList<W::Adapter>,
    /// A receiver that waits alone is here and not in the list.
    pub sole: SoleWaiter<W>,
    /// Cleared with the last capability: nobody may wait any more.
    pub open: bool,
    /// Senders that have come.
    tickets: u64,
}

impl<W: Waiter> core::fmt::Debug for Queues<W> {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (senders, receivers) = (self.senders.iter().count(), self.receivers.iter().count());
        let sole = self.sole.get().is_some();
        write!(out, "Queues({senders} senders, {receivers} receivers, a sole one: {sole}, open: {})", self.open)
    }
}

impl<W: Waiter> Default for Queues<W> {
    fn default() -> Self {
        Self::new()
    }
}

impl<W: Waiter> Queues<W> {
    /// Nobody waits, and everybody may.
    #[must_use]
    pub fn new() -> Self {
        Self {
            senders: RBTree::new(W::Senders::default()),
            receivers: LinkedList::new(W::Adapter::default()),
            sole: SoleWaiter::default(),
            open: true,
            tickets: 0,
        }
    }

    /// Whether anybody waits to send.
    #[must_use]
    #[inline(always)]
    pub fn has_senders(&self) -> bool {
        !self.senders.is_empty()
    }

    /// The receiver that has waited longest.
    #[inline(always)]
    pub fn take_receiver(&mut self) -> Option<Arc<W>> {
        let receiver = match self.sole.take() {
            None => self.receivers.pop_front()?,
            sole => sole?,
        };
        receiver.leave();
        self.update();
        Some(receiver)
    }

    /// Puts a receiver behind all others.
    #[inline(always)]
    pub fn push_receiver(&mut self, waiter: Arc<W>) {
        if self.sole.is_nobody() {
            self.sole.set(waiter);
            return;
        }
        if let Some(sole) = self.sole.take() {
            self.receivers.push_back(sole);
        }
        self.receivers.push_back(waiter);
        self.update();
    }

    /// To be called after the lists have changed.
    #[inline(always)]
    fn update(&mut self) {
        if self.sole.get().is_none() {
            self.sole.set_others(!self.senders.is_empty() || !self.receivers.is_empty());
        }
    }

    /// Takes a waiter out that is in one of the queues.
    ///
    /// # Safety
    /// It waits here, and not at another endpoint.
    pub unsafe fn remove(&mut self, waiter: &W) -> Option<Arc<W>> {
        if self.sole.get().is_some_and(|sole| core::ptr::eq(sole, waiter)) {
            return self.take_receiver();
        }
        let removed = if waiter.is_sender() {
            // SAFETY: it is among the senders of an endpoint, and by the contract that is this one.
            unsafe { self.senders.cursor_mut_from_ptr(waiter) }.remove()
        } else {
            // SAFETY: it waits here, is not alone and no sender, so it is in the list of receivers.
            unsafe { self.receivers.cursor_mut_from_ptr(waiter) }.remove()
        };
        let removed = removed?;
        removed.leave();
        self.update();
        Some(removed)
    }

    /// The sender that goes first.
    #[inline(always)]
    pub fn take_sender(&mut self) -> Option<Arc<W>> {
        let sender = self.senders.front_mut().remove()?;
        sender.leave();
        self.update();
        Some(sender)
    }

    /// Takes a waiter out whose fault waits in the queue; `None` if it waits for something else.
    ///
    /// # Safety
    /// As for [`Self::remove`].
    pub unsafe fn remove_fault(&mut self, waiter: &W) -> Option<Arc<W>> {
        if !waiter.is_sender() || !waiter.sends_fault() {
            return None;
        }
        // SAFETY: by the contract.
        unsafe { self.remove(waiter) }
    }

    /// Puts a sender behind all others of its priority and above.
    pub fn push_sender(&mut self, waiter: Arc<W>) {
        waiter.set_turn(Turn::new(waiter.priority(), self.tickets));
        self.tickets = self.tickets.wrapping_add(1);
        self.senders.insert(waiter);
        self.update();
    }

    /// Nobody may wait any more: takes out all who do, senders first.
    pub fn close(&mut self, mut taken: impl FnMut(Arc<W>)) {
        self.open = false;
        while let Some(waiter) = self.take_sender().or_else(|| self.take_receiver()) {
            taken(waiter);
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;
