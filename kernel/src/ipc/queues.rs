//! Who waits at an endpoint, and in which order.

use alloc::sync::Arc;

use intrusive_collections::linked_list::LinkedListOps;
use intrusive_collections::{Adapter, DefaultPointerOps, LinkedList};

use super::lone_receiver::LoneReceiver;
use crate::thread::{QueueAdapter, Thread, Wait};

/// What waits: a thread; in tests, something that needs no machine.
pub(super) trait Waiter: Sized {
    /// Leads from it to its link, which is in no list while it does not wait.
    type Adapter: Adapter<LinkOps: LinkedListOps, PointerOps = DefaultPointerOps<Arc<Self>>> + Default;

    /// Senders of a higher one go first.
    fn priority(&self) -> u8;

    /// Whether it waits to send a fault.
    fn sends_fault(&self) -> bool;

    /// It has been taken out of its queue, whose lock is held.
    fn leave(&self);
}

impl Waiter for Thread {
    type Adapter = QueueAdapter;

    #[inline(always)]
    fn priority(&self) -> u8 {
        self.priority()
    }

    #[inline(always)]
    fn sends_fault(&self) -> bool {
        self.wait() == Wait::ToSendFault
    }

    #[inline(always)]
    fn leave(&self) {
        self.clear_endpoint();
    }
}

/// Who waits. At most one of the two lists has anybody in it.
pub(super) struct Queues<W: Waiter = Thread> {
    pub(super) senders: LinkedList<W::Adapter>,
    pub(super) receivers: LinkedList<W::Adapter>,
    /// A receiver that waits alone is here and not in the list.
    pub(super) lone: LoneReceiver<W>,
    /// Cleared with the last capability: nobody may wait any more.
    pub(super) open: bool,
}

impl<W: Waiter> core::fmt::Debug for Queues<W> {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (senders, receivers) = (self.senders.iter().count(), self.receivers.iter().count());
        let lone = self.lone.get().is_some();
        write!(out, "Queues({senders} senders, {receivers} receivers, a lone one: {lone}, open: {})", self.open)
    }
}

impl<W: Waiter> Queues<W> {
    /// Nobody waits, and everybody may.
    pub(super) fn new() -> Self {
        Self {
            senders: LinkedList::new(W::Adapter::default()),
            receivers: LinkedList::new(W::Adapter::default()),
            lone: LoneReceiver::default(),
            open: true,
        }
    }

    /// The receiver that has waited longest.
    #[inline(always)]
    pub(super) fn take_receiver(&mut self) -> Option<Arc<W>> {
        let receiver = match self.lone.take() {
            None => self.receivers.pop_front()?,
            lone => lone?,
        };
        receiver.leave();
        self.update();
        Some(receiver)
    }

    /// Puts a receiver behind all others.
    #[inline(always)]
    pub(super) fn push_receiver(&mut self, waiter: Arc<W>) {
        if self.lone.is_nobody() {
            self.lone.set(waiter);
            return;
        }
        if let Some(lone) = self.lone.take() {
            self.receivers.push_back(lone);
        }
        self.receivers.push_back(waiter);
        self.update();
    }

    /// To be called after the lists have changed.
    #[inline(always)]
    fn update(&mut self) {
        if self.lone.get().is_none() {
            self.lone.set_others(!self.senders.is_empty() || !self.receivers.is_empty());
        }
    }

    /// Takes a waiter out that may be in one of the queues.
    pub(super) fn remove(&mut self, waiter: &W) -> Option<Arc<W>> {
        if self.lone.get().is_some_and(|lone| core::ptr::eq(lone, waiter)) {
            return self.take_receiver();
        }
        let removed =
            take_from::<W>(&mut self.senders, waiter).or_else(|| take_from::<W>(&mut self.receivers, waiter))?;
        removed.leave();
        self.update();
        Some(removed)
    }

    /// The sender that goes first.
    #[inline(always)]
    pub(super) fn take_sender(&mut self) -> Option<Arc<W>> {
        let sender = self.senders.pop_front()?;
        sender.leave();
        self.update();
        Some(sender)
    }

    /// Takes a waiter out whose fault waits in the queue.
    pub(super) fn remove_fault(&mut self, waiter: &W) -> Option<Arc<W>> {
        let waits = self.senders.iter().any(|other| core::ptr::eq(other, waiter) && other.sends_fault());
        if waits { self.remove(waiter) } else { None }
    }

    /// Puts a sender behind all others of its priority and above.
    pub(super) fn push_sender(&mut self, waiter: Arc<W>) {
        let mut cursor = self.senders.back_mut();
        while cursor.get().is_some_and(|other| other.priority() < waiter.priority()) {
            cursor.move_prev();
        }
        cursor.insert_after(waiter);
        self.update();
    }

    /// Nobody may wait any more: takes out all who do, senders first.
    pub(super) fn close(&mut self, mut taken: impl FnMut(Arc<W>)) {
        self.open = false;
        while let Some(waiter) = self.take_sender().or_else(|| self.take_receiver()) {
            taken(waiter);
        }
    }
}

/// Takes a waiter out of a list that it may be in.
fn take_from<W: Waiter>(list: &mut LinkedList<W::Adapter>, waiter: &W) -> Option<Arc<W>> {
    let mut cursor = list.front_mut();
    while let Some(other) = cursor.get() {
        if core::ptr::eq(other, waiter) {
            return cursor.remove();
        }
        cursor.move_next();
    }
    None
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;
