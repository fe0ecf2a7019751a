//! A thread's part in messages: what it waits for, whom it owes a reply.

use alloc::sync::Arc;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use gatehouse_abi::TrapNumber;
use gatehouse_core::intrusive::{Link, Linked, Party, ReplyRight};

use super::{Thread, Utcb, Wait};
use crate::ipc::{Endpoint, FaultHandler, Notification, SavedReply};
use crate::program::UtcbSlot;
use crate::sync::{Mutex, rank};

// SAFETY: `ipc::release_clients` clears the link of the client that a thread owes a reply, with the lock held, before the
// thread is freed; and whoever makes it owe one owns it.
unsafe impl Linked for Thread {}

impl Party for Thread {
    #[inline(always)]
    fn reply_right(&self) -> &ReplyRight<Self> {
        &self.client
    }

    #[inline(always)]
    fn server(&self) -> &Link<Self> {
        &self.server
    }
}

impl Thread {
    /// What it waits for.
    #[must_use]
    #[inline(always)]
    pub const fn wait(&self) -> Wait {
        self.wait.get()
    }

    /// Sets what it waits for. Only by its owner.
    #[inline(always)]
    pub fn set_wait(&self, wait: Wait) {
        self.wait.set(wait);
    }

    /// The badge of the message that it waits to send.
    #[must_use]
    pub const fn badge(&self) -> u64 {
        self.badge.get()
    }

    /// Sets that badge. Only by its owner.
    pub fn set_badge(&self, badge: u64) {
        self.badge.set(badge);
    }

    /// The endpoint in whose queue it is. Changed under the queue's lock.
    #[must_use]
    #[inline(always)]
    pub const fn endpoint(&self) -> &Link<Endpoint> {
        &self.endpoint
    }

    /// The notification whose signal it waits for. Changed under the notification's lock.
    #[must_use]
    #[inline(always)]
    pub const fn notification(&self) -> &Link<Notification> {
        &self.notification
    }

    /// The object that holds the right to reply to it. Changed under the lock of `ipc::cancel`.
    #[must_use]
    pub const fn saved_reply(&self) -> &Link<SavedReply> {
        &self.saved_reply
    }

    /// Whom it owes a reply, if anybody.
    #[must_use]
    #[inline(always)]
    pub const fn reply_right(&self) -> &ReplyRight<Self> {
        &self.client
    }

    /// Whether somebody owes it a reply; out of date at once.
    #[must_use]
    pub fn awaits_reply(&self) -> bool {
        self.server.is_set() || self.saved_reply.is_set()
    }

    /// Its last fault: the trap, and the address or instruction that it is about.
    #[must_use]
    #[inline(always)]
    pub const fn fault(&self) -> (TrapNumber, u64) {
        self.fault.get()
    }

    /// Notes a fault. Only on the CPU that runs it.
    #[inline(always)]
    pub fn set_fault(&self, number: TrapNumber, subject: u64) {
        self.fault.set((number, subject));
    }

    /// The message buffer.
    #[must_use]
    #[inline(always)]
    pub const fn utcb(&self) -> Utcb {
        self.utcb.utcb
    }

    /// Which of its program's message buffers that is.
    #[must_use]
    pub const fn utcb_slot(&self) -> UtcbSlot {
        self.utcb
    }

    /// Where its faults go, with the badge that tells whose they are. To be asked on the CPU that runs it.
    #[must_use]
    #[inline(always)]
    pub fn fault_endpoint(&self) -> Option<(&Endpoint, u64)> {
        // SAFETY: `handler` keeps the endpoint until the thread binds another, which it does not while it faults, or is
        // gone.
        let endpoint = unsafe { self.fault_endpoint.load(Ordering::Acquire).as_ref() };
        endpoint.map(|endpoint| (endpoint, self.fault_badge.get()))
    }

    /// The same for a handler that has a time limit, with that, in nanoseconds.
    #[must_use]
    pub fn limited_endpoint(&self) -> Option<(&Endpoint, u64, u64)> {
        // SAFETY: as for `fault_endpoint`.
        let endpoint = unsafe { self.limited_endpoint.load(Ordering::Acquire).as_ref() };
        endpoint.map(|endpoint| (endpoint, self.fault_badge.get(), self.handler_limit.get()))
    }

    /// Whether its faults go anywhere.
    #[must_use]
    pub fn has_handler(&self) -> bool {
        let is_set = |endpoint: &AtomicPtr<Endpoint>| !endpoint.load(Ordering::Acquire).is_null();
        is_set(&self.fault_endpoint) || is_set(&self.limited_endpoint)
    }

    /// Sets where its faults go, with the badge and the time limit in nanoseconds (0: none); `handler` must keep the
    /// endpoint.
    ///
    /// # Safety
    /// It is the running thread of this CPU, or is off every CPU and stays so.
    pub unsafe fn set_fault_endpoint(&self, target: Option<(&Arc<Endpoint>, u64, u64)>) {
        self.lose_fault_endpoint();
        let Some((endpoint, badge, limit)) = target else { return };
        self.fault_badge.set(badge);
        self.handler_limit.set(limit);
        let place = if limit == 0 { &self.fault_endpoint } else { &self.limited_endpoint };
        place.store(Arc::as_ptr(endpoint).cast_mut(), Ordering::Release);
    }

    /// Its faults go nowhere any more. From any CPU, with its handler locked.
    pub fn lose_fault_endpoint(&self) {
        for place in [&self.fault_endpoint, &self.limited_endpoint] {
            place.store(ptr::null_mut(), Ordering::Release);
        }
    }

    /// What keeps its fault endpoint. The lock is taken before the forest's.
    #[must_use]
    pub const fn handler(&self) -> &Mutex<Option<FaultHandler>, rank::Handler> {
        &self.handler
    }
}
