//! A thread's part in messages: what it waits for, whom it owes a reply.

use alloc::sync::Arc;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use gatehouse_abi::{ThreadRegisters, TrapNumber};

use super::{Thread, Utcb, Wait};
use crate::ipc::{Endpoint, FaultHandler, Notification, SavedReply};
use crate::program::UtcbSlot;
use crate::sync::Mutex;

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

    /// The endpoint in whose queue it is.
    #[must_use]
    pub fn endpoint(&self) -> Option<*const Endpoint> {
        let endpoint = self.endpoint.load(Ordering::Acquire);
        (!endpoint.is_null()).then_some(endpoint.cast_const())
    }

    /// It is put into a queue of the endpoint, whose lock is held.
    #[inline(always)]
    pub fn set_endpoint(&self, endpoint: &Endpoint) {
        self.endpoint.store(ptr::from_ref(endpoint).cast_mut(), Ordering::Release);
    }

    /// It leaves the queue of an endpoint, whose lock is held.
    #[inline(always)]
    pub fn clear_endpoint(&self) {
        self.endpoint.store(ptr::null_mut(), Ordering::Release);
    }

    /// The notification whose signal it waits for.
    #[must_use]
    pub fn notification(&self) -> Option<*const Notification> {
        let notification = self.notification.load(Ordering::Acquire);
        (!notification.is_null()).then_some(notification.cast_const())
    }

    /// It waits for the notification, whose lock is held.
    pub fn set_notification(&self, notification: &Notification) {
        self.notification.store(ptr::from_ref(notification).cast_mut(), Ordering::Release);
    }

    /// It waits no longer for the notification, whose lock is held.
    pub fn clear_notification(&self) {
        self.notification.store(ptr::null_mut(), Ordering::Release);
    }

    /// The object that holds the right to reply to it.
    #[must_use]
    pub fn saved_reply(&self) -> Option<*const SavedReply> {
        let saved = self.saved_reply.load(Ordering::Acquire);
        (!saved.is_null()).then_some(saved.cast_const())
    }

    /// The right to reply to it was saved. With the lock of `ipc::cancel` held.
    pub fn set_saved_reply(&self, saved: &SavedReply) {
        self.saved_reply.store(ptr::from_ref(saved).cast_mut(), Ordering::Release);
    }

    /// It was taken from where it was saved. With the lock of `ipc::cancel` held.
    pub fn clear_saved_reply(&self) {
        self.saved_reply.store(ptr::null_mut(), Ordering::Release);
    }

    /// The thread that owes it a reply.
    #[must_use]
    pub fn server(&self) -> Option<*const Self> {
        let server = self.server.load(Ordering::Acquire);
        (!server.is_null()).then_some(server.cast_const())
    }

    /// Notes which thread owes it a reply. Only by its owner.
    #[inline(always)]
    pub fn set_server(&self, server: &Self) {
        self.server.store(ptr::from_ref(server).cast_mut(), Ordering::Release);
    }

    /// Nobody owes it a reply any more. Only by its owner.
    #[inline(always)]
    pub fn clear_server(&self) {
        self.server.store(ptr::null_mut(), Ordering::Release);
    }

    /// Makes it owe a reply to `client`, and own it. It owes none yet.
    #[inline(always)]
    pub fn set_client(&self, client: Arc<Self>) {
        self.client.give(client);
    }

    /// The thread that it owes a reply: alive as long as nobody takes it.
    #[must_use]
    pub fn client(&self) -> *const Self {
        self.client.client()
    }

    /// Takes the thread that it owes a reply: whoever calls this owns it.
    #[must_use]
    #[inline(always)]
    pub fn take_client(&self) -> Option<Arc<Self>> {
        self.client.take()
    }

    /// Takes `client` if it is the one that a reply is owed to.
    #[must_use]
    pub fn take_this_client(&self, client: &Self) -> Option<Arc<Self>> {
        self.client.take_this(client)
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
        self.set_passed_traps(0);
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
    pub const fn handler(&self) -> &Mutex<Option<FaultHandler>> {
        &self.handler
    }

    /// Sets its registers, as far as a program may.
    ///
    /// Only by its owner, while it is off every CPU.
    pub fn set_registers(&self, registers: &ThreadRegisters) {
        // SAFETY: the thread is off every CPU and the caller owns it.
        unsafe { &mut *self.frame_pointer() }.set_registers(registers);
        self.bases().record(registers.fs_base, registers.gs_base);
    }

    /// Its registers. Only by its owner, while it is off every CPU.
    #[must_use]
    pub fn registers(&self) -> ThreadRegisters {
        // SAFETY: as above.
        let registers = unsafe { &*self.frame_pointer() }.registers();
        ThreadRegisters { fs_base: self.bases().fs(), gs_base: self.bases().gs(), ..registers }
    }
}
