//! Endpoints: where senders and receivers meet.

use alloc::sync::Arc;
use core::mem::offset_of;
use core::sync::atomic::AtomicUsize;

use gatehouse_abi::Error;
use gatehouse_core::intrusive::{ExitLink, Linked, Owed};

use super::cancel::{close, honour_marks};
use super::message::{Sending, transfer};
use super::reply::owe;
use super::switch::{block_current, make_ready, run_instead};
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

/// Who sends.
#[derive(Debug)]
pub enum Sender {
    /// The thread that runs.
    Running,
    /// One that is off every CPU and in no list, whose owner sends its fault for it.
    Held(Arc<Thread>),
}

impl Sender {
    /// Makes the thread wait. Answers it, and what the CPU goes on with.
    #[inline(always)]
    fn stop(self, cpu: &ThisCpu, wait: Wait) -> (Arc<Thread>, Next) {
        match self {
            Self::Running => {
                let Some(thread) = block_current(cpu, wait) else { unreachable!("a running thread sends") };
                (thread, Next::Choose)
            }
            Self::Held(thread) => {
                thread.set_wait(wait);
                (thread, Next::Stay)
            }
        }
    }

    fn has_handler(&self, cpu: &ThisCpu) -> bool {
        match self {
            Self::Running => cpu.current().is_some_and(Thread::has_handler),
            Self::Held(thread) => thread.has_handler(),
        }
    }
}

/// Sends a message: the one in the sender's frame, whose tag is one that the ABI allows, or its fault. The sender waits until it
/// is taken, if it may `wait`, and then for the reply, if there is to be one.
///
/// # Errors
/// The sender, if nobody takes the message; with [`Error::Gone`] or [`Error::WouldBlock`].
#[inline(always)]
pub fn send(
    cpu: &ThisCpu,
    sender: Sender,
    sending: Sending,
    endpoint: &Endpoint,
    badge: u64,
    wait: bool,
) -> Result<Next, (Error, Sender)> {
    let mut queues = endpoint.queues.lock();
    if let Some(receiver) = queues.take_receiver() {
        drop(queues);
        return Ok(meet(cpu, sender, sending, receiver, badge));
    }
    let refusal = match sending {
        _ if !queues.open => Some(Error::Gone),
        _ if !wait => Some(Error::WouldBlock),
        // Asked again under the lock: see `handler`.
        Sending::Fault if !sender.has_handler(cpu) => Some(Error::Gone),
        _ => None,
    };
    match refusal {
        Some(error) => Err((error, sender)),
        None => Ok(wait_as_sender(cpu, sender, sending, queues, endpoint, badge)),
    }
}

/// The message goes to a receiver that has waited. If the receiver then owes a reply, it runs instead of a sender that ran.
#[inline(always)]
fn meet(cpu: &ThisCpu, sender: Sender, sending: Sending, receiver: Arc<Thread>, badge: u64) -> Next {
    if sending == Sending::Send {
        let Some(running) = cpu.current() else { unreachable!("a running thread sends") };
        transfer(running, sending, &receiver, badge);
        is_taken(running);
        receiver.set_wait(Wait::Nothing);
        return sched::wake(cpu, receiver);
    }
    let (client, next) = sender.stop(cpu, Wait::for_reply(sending));
    transfer(&client, sending, &receiver, badge);
    let owed = owed_for(&client, sending);
    owe(&receiver, client, owed);
    receiver.set_wait(Wait::Nothing);
    match next {
        Next::Stay => sched::wake(cpu, receiver),
        _ => run_instead(cpu, receiver),
    }
}

/// The sender waits until somebody receives.
#[inline(never)]
fn wait_as_sender(
    cpu: &ThisCpu,
    sender: Sender,
    sending: Sending,
    mut queues: MutexGuard<'_, Queues, rank::Endpoint>,
    endpoint: &Endpoint,
    badge: u64,
) -> Next {
    let (sender, next) = sender.stop(cpu, Wait::to_send(sending));
    sender.set_badge(badge);
    sender.endpoint().set(endpoint);
    queues.push_sender(sender);
    next
}

/// The message of a sender that waits for no reply has been taken: its call answers 0. Only by its owner.
fn is_taken(sender: &Thread) {
    // SAFETY: the sender is the running thread, in its call, or was in a queue; the caller owns it.
    unsafe { &mut *sender.frame_pointer() }.set_system_call_result(0);
}

/// Receives into the running thread's frame: the message of the first sender, or of one yet to come, if it may `wait`. `answered`
/// has just got its reply from the thread, and goes on: at once, if it can and the thread waits.
#[inline(always)]
pub fn receive(
    cpu: &ThisCpu,
    frame: &mut Frame,
    endpoint: &Endpoint,
    wait: bool,
    answered: Option<Arc<Thread>>,
) -> Next {
    let mut queues = endpoint.queues.lock();
    if let Some(sender) = queues.take_sender() {
        drop(queues);
        let woken = make_ready(cpu, answered);
        return take_message(cpu, sender).and(woken);
    }
    if queues.open && wait {
        let Some(receiver) = block_current(cpu, Wait::ToReceive) else { unreachable!("a running thread receives") };
        receiver.endpoint().set(endpoint);
        queues.push_receiver(receiver);
        drop(queues);
        return answered.map_or(Next::Choose, |client| run_instead(cpu, client));
    }
    let error = if queues.open { Error::WouldBlock } else { Error::Gone };
    drop(queues);
    frame.set_system_call_result(error.to_register());
    make_ready(cpu, answered)
}

/// The running thread takes the message of a sender that waited.
#[inline(never)]
fn take_message(cpu: &ThisCpu, sender: Arc<Thread>) -> Next {
    let Some(receiver) = cpu.current() else { unreachable!("a running thread receives") };
    let Some(sending) = sender.wait().sending() else { unreachable!("a queue of senders holds senders") };
    transfer(&sender, sending, receiver, sender.badge());
    if sending == Sending::Send {
        is_taken(&sender);
        return make_ready(cpu, Some(sender));
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
fn owed_for(sender: &Thread, sending: Sending) -> Owed {
    if sending == Sending::Fault { Owed::for_fault(sender.fault().0) } else { Owed::Answer }
}
