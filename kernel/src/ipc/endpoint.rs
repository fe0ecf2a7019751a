//! Endpoints: where senders and receivers meet.

use alloc::sync::Arc;
use core::mem::offset_of;
use core::sync::atomic::AtomicUsize;

use gatehouse_abi::{Error, MessageTag};
use gatehouse_core::intrusive::{ExitLink, Linked, Owed};

use super::cancel::{close, honour_marks};
use super::message::{Sending, transfer};
use super::reply::{forget_client, owe};
use super::switch::{block_current, run_instead};
use super::waiter::Queues;
use crate::arch::{Frame, TrapFrame as _};
use crate::cpu::ThisCpu;
use crate::object::{Close, Counted, register_object};
use crate::sched::{self, Next};
use crate::sync::{Mutex, MutexGuard, rank};
use crate::thread::{OffCpu, Thread, Wait};

/// A meeting point.
#[derive(Debug)]
pub struct Endpoint {
    pub(super) queues: Mutex<Queues, rank::Endpoint>,
    /// Capabilities of it that exist.
    capabilities: AtomicUsize,
    exit_link: ExitLink<ThisCpu>,
}

impl Endpoint {
    /// An endpoint with one capability.
    #[must_use]
    pub fn new() -> Self {
        Self { queues: Mutex::new(Queues::new()), capabilities: AtomicUsize::new(1), exit_link: ExitLink::new() }
    }
}

// SAFETY: `close` empties the queues with the lock of `cancel` held, before the last reference goes, and nobody waits at an
// endpoint that is not open.
unsafe impl Linked for Endpoint {}

register_object!(Counted<Endpoint>, "endpoint");

// SAFETY: the link is there, and nothing else uses it.
unsafe impl Close for Endpoint {
    const EXIT_LINK: usize = offset_of!(Self, exit_link);

    fn capabilities(&self) -> &AtomicUsize {
        &self.capabilities
    }

    fn close(&self, cpu: &ThisCpu) {
        close(cpu, self);
    }
}

impl Endpoint {
    /// Takes a thread out that may be waiting here.
    pub(super) fn remove(&self, thread: &Thread) -> Option<Arc<Thread>> {
        let mut queues = self.queues.lock();
        if !thread.endpoint().leads_to(self) {
            return None;
        }
        // SAFETY: the link is changed under the lock held here: the thread is in one of these queues.
        unsafe { queues.remove(thread) }
    }

    /// Takes a thread out whose fault may be waiting here, and that `suits`.
    pub(super) fn remove_fault(&self, thread: &Thread, suits: impl FnOnce(OffCpu<'_>) -> bool) -> Option<Arc<Thread>> {
        let mut queues = self.queues.lock();
        // SAFETY: it waits here, under the lock that is held.
        if !thread.endpoint().leads_to(self) || !suits(unsafe { OffCpu::new(thread) }) {
            return None;
        }
        // SAFETY: the link is changed under the lock held here: the thread is in one of these queues.
        unsafe { queues.remove_fault(thread) }
    }
}

impl Default for Endpoint {
    fn default() -> Self {
        Self::new()
    }
}

/// Sends the message in the running thread's frame, whose tag is one that the ABI allows, and goes on when it is taken.
pub fn send(cpu: &ThisCpu, frame: &mut Frame, endpoint: &Endpoint, badge: u64) -> Next {
    start_sending(cpu, frame, endpoint, badge, Sending::Send)
}

/// Sends the message in the running thread's frame, whose tag is one that the ABI allows, and waits for the reply.
pub fn call(cpu: &ThisCpu, frame: &mut Frame, endpoint: &Endpoint, badge: u64) -> Next {
    start_sending(cpu, frame, endpoint, badge, Sending::Call)
}

#[inline(always)]
fn start_sending(cpu: &ThisCpu, frame: &mut Frame, endpoint: &Endpoint, badge: u64, sending: Sending) -> Next {
    let tag = frame.message_tag();
    // Only the kernel tells of faults.
    if tag.label() == MessageTag::FAULT {
        frame.set_system_call_result(Error::InvalidArgument.to_register());
        return Next::Stay;
    }
    let mut queues = endpoint.queues.lock();
    let Some(receiver) = queues.take_receiver() else {
        let refusal = match () {
            () if !queues.open => Some(Error::Gone),
            () if tag.is_non_blocking() => Some(Error::WouldBlock),
            () => None,
        };
        if let Some(error) = refusal {
            frame.set_system_call_result(error.to_register());
            return Next::Stay;
        }
        return wait_as_sender(cpu, queues, endpoint, badge, sending);
    };
    drop(queues);
    if sending == Sending::Send {
        let Some(sender) = cpu.current() else { unreachable!("a running thread sends") };
        transfer(sender, sending, &receiver, badge);
        frame.set_system_call_result(0);
        receiver.set_wait(Wait::Nothing);
        return sched::wake(cpu, receiver);
    }
    meet(cpu, receiver, badge, sending)
}

/// The running thread's message or fault goes to `receiver`, which then owes it a reply, and which runs instead of it if
/// it belongs to this CPU.
#[inline(always)]
pub(super) fn meet(cpu: &ThisCpu, receiver: Arc<Thread>, badge: u64, sending: Sending) -> Next {
    let Some(client) = block_current(cpu, Wait::for_reply(sending)) else { unreachable!("a running thread sends") };
    transfer(&client, sending, &receiver, badge);
    let owed = owed_for(&client, sending);
    owe(&receiver, client, owed);
    run_instead(cpu, receiver)
}

/// The running thread waits until somebody receives.
#[inline(never)]
pub(super) fn wait_as_sender(
    cpu: &ThisCpu,
    mut queues: MutexGuard<'_, Queues, rank::Endpoint>,
    endpoint: &Endpoint,
    badge: u64,
    sending: Sending,
) -> Next {
    let Some(sender) = block_current(cpu, Wait::to_send(sending)) else { unreachable!("a running thread sends") };
    sender.set_badge(badge);
    sender.endpoint().set(endpoint);
    queues.push_sender(sender);
    Next::Choose
}

/// Receives into the running thread's frame: the message of the first sender, or of one yet to come.
#[inline(always)]
pub fn receive(cpu: &ThisCpu, frame: &mut Frame, endpoint: &Endpoint, wait: bool) -> Next {
    forget_client(cpu);
    let mut queues = endpoint.queues.lock();
    if let Some(sender) = queues.take_sender() {
        drop(queues);
        return take_message(cpu, sender);
    }
    if !queues.open || !wait {
        let error = if queues.open { Error::WouldBlock } else { Error::Gone };
        frame.set_system_call_result(error.to_register());
        return Next::Stay;
    }
    wait_as_receiver(cpu, queues, endpoint);
    Next::Choose
}

/// The running thread waits until somebody sends.
#[inline(always)]
pub(super) fn wait_as_receiver(cpu: &ThisCpu, mut queues: MutexGuard<'_, Queues, rank::Endpoint>, endpoint: &Endpoint) {
    let Some(receiver) = block_current(cpu, Wait::ToReceive) else { unreachable!("a running thread receives") };
    receiver.endpoint().set(endpoint);
    queues.push_receiver(receiver);
}

/// The running thread takes the message of a sender that waited.
#[inline(never)]
fn take_message(cpu: &ThisCpu, sender: Arc<Thread>) -> Next {
    let Some(receiver) = cpu.current() else { unreachable!("a running thread receives") };
    let Some(sending) = sender.wait().sending() else { unreachable!("a queue of senders holds senders") };
    transfer(&sender, sending, receiver, sender.badge());
    if sending == Sending::Send {
        sender.set_wait(Wait::Nothing);
        // SAFETY: the sender was in the queue, so it is off every CPU, and this is its owner now.
        unsafe { &mut *sender.frame_pointer() }.set_system_call_result(0);
        return sched::wake(cpu, sender);
    }
    sender.set_wait(Wait::for_reply(sending));
    let owed = owed_for(&sender, sending);
    // Since it left the queue it was nowhere where somebody who ends its wait could find it.
    let in_hands = Arc::clone(&sender);
    owe(receiver, sender, owed);
    honour_marks(cpu, in_hands);
    Next::Stay
}

/// What the reply to a message is owed for.
#[inline(always)]
pub(super) fn owed_for(sender: &Thread, sending: Sending) -> Owed {
    if sending == Sending::Fault { Owed::for_fault(sender.fault().0) } else { Owed::Answer }
}
