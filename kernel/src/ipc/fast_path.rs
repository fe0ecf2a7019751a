//! The fast path: when the other side has waited, alone, and the message fits into registers.
//!
//! Each function looks first and changes nothing until all conditions hold: then the message moves, and the CPU goes on with the
//! thread that got it, or hands that over to its own CPU. (A client is taken before it is looked at: until then somebody else may take
//! it, and free it.) Else it answers `None`, and [`super::endpoint`] and [`super::reply`] do the same with all that may be in the way.
//! What is left out here is what costs: counting references, waiting for a lock, the run queue.
//!
//! The conditions: nobody else has the lock of the endpoint or of the capability space at this moment; the other thread waits alone;
//! and [`Path`] knows a way to it.
//!
//! Each message is one text, compiled twice. The functions that begin take the plain path to a thread of this CPU, on which nothing is
//! called and next to nothing kept on the stack; what they have found out when another path is needed is their error, and goes on by it.

use alloc::sync::Arc;

use gatehouse_abi::{MessageTag, REPLY_RESUME, TrapNumber};
use gatehouse_core::capability::Rights;
use gatehouse_core::intrusive::Owed;

use super::endpoint::Endpoint;
use super::fault::record;
use super::locked_endpoint::LockedEndpoint;
use super::message::transfer_fault;
use super::notification::{self, Notification};
use super::reply::owe;
use super::waiter::Queues;
use crate::arch::{Frame, TrapFrame as _};
use crate::cpu::ThisCpu;
use crate::object::{Counted, TryInspect as _};
use crate::sched::{self, Path};
use crate::sync::{BriefGuard, rank, try_lock_briefly};
use crate::thread::{OffCpu, Thread, Wait};

/// What the running thread sends and waits for the answer to.
#[derive(Clone, Copy, Debug)]
enum Message {
    /// The words in its frame, with this tag.
    Call(MessageTag),
    /// Its fault, the address that was accessed, and what the reply is owed for.
    Fault(TrapNumber, u64, Owed),
}

/// A message to a receiver that waits alone, to which there may be another path than the plain one. Nothing has been done.
#[derive(Debug)]
pub struct Outgoing<'endpoint> {
    endpoint: LockedEndpoint<'endpoint>,
    badge: u64,
    message: Message,
}

impl Outgoing<'_> {
    /// Sends it. Answers the frame to return through; `None` for the slow path.
    ///
    /// # Safety
    /// As for [`call`] or [`fault`], which has answered this.
    #[inline(always)]
    #[must_use]
    pub unsafe fn send(self, cpu: &ThisCpu, frame: &Frame) -> Option<*const Frame> {
        let path = path_to_receiver(cpu, &self.endpoint)?;
        // SAFETY: by the contract.
        Some(unsafe { send(cpu, cpu.current_pointer(), path, self.endpoint, self.badge, frame, self.message) })
    }
}

/// Sends the running thread's fault to its handler. Answers the frame to return through. Faults of a program that has had
/// pages swapped out take the slow path, if they are `about_memory`: they may be nobody's business but the kernel's.
///
/// # Errors
/// The [`Outgoing`] message to go on with; `None` for the slow path.
///
/// # Safety
/// A thread runs on this CPU, and `frame` is its own, from a trap that is being handled.
#[inline(always)]
pub unsafe fn fault<'endpoint>(
    cpu: &ThisCpu,
    number: TrapNumber,
    address: u64,
    about_memory: bool,
    frame: &Frame,
) -> Result<*const Frame, Option<Outgoing<'endpoint>>> {
    let running = cpu.current_pointer();
    // SAFETY: by the contract a thread runs, and it is on this CPU until the switch.
    let client: &'endpoint Thread = unsafe { &*running };
    if about_memory && client.program().residence().may_be_swapped_out() {
        return Err(None);
    }
    let (endpoint, badge) = client.fault_endpoint().ok_or(None)?;
    let endpoint = LockedEndpoint::try_lock(endpoint).ok_or(None)?;
    // What is about memory is no breakpoint, so that nothing need be asked.
    let owed = if about_memory { Owed::Answer } else { Owed::for_fault(number) };
    let message = Message::Fault(number, address, owed);
    if path_to_receiver(cpu, &endpoint).ok_or(None)? != Path::Direct {
        return Err(Some(Outgoing { endpoint, badge, message }));
    }
    // SAFETY: by the contract.
    Ok(unsafe { send(cpu, running, Path::Direct, endpoint, badge, frame, message) })
}

/// `Call`. Answers the frame to return through.
///
/// # Errors
/// The [`Outgoing`] message to go on with; `None` for the slow path.
///
/// # Safety
/// As for [`fault`].
#[inline(always)]
pub unsafe fn call<'endpoint>(cpu: &ThisCpu, frame: &Frame) -> Result<*const Frame, Option<Outgoing<'endpoint>>> {
    let tag = MessageTag::in_registers(frame.message_tag_bits()).ok_or(None)?;
    let running = cpu.current_pointer();
    // SAFETY: by the contract a thread runs, and it is on this CPU until the switch.
    let client = unsafe { &*running };
    let (endpoint, badge) = lock_endpoint(client, frame, Rights::SEND).ok_or(None)?;
    if tag.is_fault() {
        return Err(None);
    }
    if path_to_receiver(cpu, &endpoint).ok_or(None)? != Path::Direct {
        return Err(Some(Outgoing { endpoint, badge, message: Message::Call(tag) }));
    }
    // SAFETY: by the contract.
    Ok(unsafe { send(cpu, running, Path::Direct, endpoint, badge, frame, Message::Call(tag)) })
}

#[inline(always)]
fn path_to_receiver(cpu: &ThisCpu, queues: &Queues) -> Option<Path> {
    sched::path_to(cpu, queues.sole.get()?)
}

/// The message of the running thread goes to the receiver that waits alone, which then owes it the reply.
///
/// # Safety
/// As for [`fault`]; `running` is the CPU's `current_pointer`, and `path` the way to that receiver.
#[inline(always)]
unsafe fn send(
    cpu: &ThisCpu,
    running: *const Thread,
    path: Path,
    mut endpoint: LockedEndpoint<'_>,
    badge: u64,
    frame: &Frame,
    message: Message,
) -> *const Frame {
    let Some(receiver) = endpoint.sole.take() else { unreachable!("there is a way to a receiver") };
    receiver.endpoint().clear();
    drop(endpoint);
    // SAFETY: by the contract a thread runs, and it is on this CPU until the switch.
    let client = unsafe { &*running };
    let owed = match message {
        Message::Call(tag) => {
            client.set_wait(Wait::ForReply);
            // SAFETY: the receiver waited, and has been taken out of the queue.
            unsafe { OffCpu::new(&receiver) }.frame_mut().take_message(tag, badge, frame);
            Owed::Answer
        }
        Message::Fault(number, address, owed) => {
            let what = record(client, number, address, frame);
            client.set_wait(Wait::ForFaultReply);
            transfer_fault(client, frame, &receiver, badge, what);
            owed
        }
    };
    receiver.set_wait(Wait::Nothing);
    // SAFETY: this is the thread that runs.
    unsafe { sched::give_way(cpu, path, running, receiver, |server, client| owe(server, client, owed)) }
}

/// The client that the running thread owes a reply, taken, the endpoint, where nobody waits, and the tag of the reply.
#[derive(Debug)]
pub struct Client<'endpoint>(Arc<Thread>, LockedEndpoint<'endpoint>, MessageTag);

impl Client<'_> {
    /// Goes on with a `ReplyReceive`. Answers the frame to return through.
    ///
    /// # Errors
    /// The client, if it gets its reply by the slow path.
    ///
    /// # Safety
    /// As for [`reply_receive`], which has answered this.
    #[inline(always)]
    pub unsafe fn reply(self, cpu: &ThisCpu, frame: &Frame) -> Result<*const Frame, Arc<Thread>> {
        let Self(client, endpoint, tag) = self;
        let Some(path) = sched::path_to(cpu, &client) else { return Err(client) };
        let message = if client.wait() != Wait::ForFaultReply {
            Some(tag)
        } else if tag.label() == REPLY_RESUME {
            None
        } else {
            return Err(client);
        };
        // SAFETY: by the contract.
        Ok(unsafe { reply(cpu, cpu.current_pointer(), path, endpoint, client, frame, message) })
    }
}

/// `ReplyReceive`, to somebody who waits for a reply, when nobody else has sent anything. Answers the frame to return through.
///
/// # Errors
/// The [`Client`] to go on with, if it has been taken; `None` for the slow path.
///
/// # Safety
/// As for [`fault`].
#[inline(always)]
pub unsafe fn reply_receive<'endpoint>(
    cpu: &ThisCpu,
    frame: &Frame,
) -> Result<*const Frame, Option<Client<'endpoint>>> {
    let tag = MessageTag::in_registers(frame.message_tag_bits()).ok_or(None)?;
    let running = cpu.current_pointer();
    // SAFETY: by the contract a thread runs, and it is on this CPU until the switch.
    let server = unsafe { &*running };
    let (endpoint, _) = lock_endpoint(server, frame, Rights::RECEIVE).ok_or(None)?;
    if !endpoint.sole.is_nobody() {
        return Err(None);
    }
    let client = server.reply_right().take().ok_or(None)?;
    if sched::path_to(cpu, &client) != Some(Path::Direct) {
        return Err(Some(Client(client, endpoint, tag)));
    }
    // Each by itself, so that of a call nothing else is asked.
    if client.wait() != Wait::ForFaultReply {
        // SAFETY: by the contract.
        return Ok(unsafe { reply(cpu, running, Path::Direct, endpoint, client, frame, Some(tag)) });
    }
    if tag.label() != REPLY_RESUME {
        return Err(Some(Client(client, endpoint, tag)));
    }
    // SAFETY: by the contract.
    Ok(unsafe { reply(cpu, running, Path::Direct, endpoint, client, frame, None) })
}

/// The running thread's reply goes to the client, which has been taken, and the thread waits alone at the endpoint. The words in its
/// frame are the message, with this tag; none to a fault, after which the client just goes on.
///
/// # Safety
/// As for [`fault`]; `running` is the CPU's `current_pointer`, and `path` the way to the client.
#[inline(always)]
unsafe fn reply(
    cpu: &ThisCpu,
    running: *const Thread,
    path: Path,
    mut endpoint: LockedEndpoint<'_>,
    client: Arc<Thread>,
    frame: &Frame,
    message: Option<MessageTag>,
) -> *const Frame {
    if let Some(tag) = message {
        // SAFETY: the client waited for this reply, to which the right has been taken.
        unsafe { OffCpu::new(&client) }.frame_mut().take_message(tag, 0, frame);
    }
    client.set_wait(Wait::Nothing);
    let settle = move |_: &Thread, server: Arc<Thread>| {
        server.set_wait(Wait::ToReceive);
        server.endpoint().set(endpoint.endpoint());
        // Only with all of its state saved can the server be found in the queue.
        endpoint.sole.set(server);
    };
    // SAFETY: this is the thread that runs.
    unsafe { sched::give_way(cpu, path, running, client, settle) }
}

/// A thread that has waited for a notification, taken, with the badge of the signal, and state of its own or of the thread that runs.
#[derive(Debug)]
pub struct Waiter(Arc<Thread>, u64);

impl Waiter {
    /// Goes on with a `Signal`. Answers the frame to return through.
    ///
    /// # Safety
    /// As for [`signal`], which has answered this.
    #[inline(always)]
    pub unsafe fn run(self, cpu: &ThisCpu) -> *const Frame {
        // SAFETY: by the contract.
        unsafe { run_by(cpu, Path::WithState, self.0, self.1) }
    }
}

/// `Signal`, to somebody more urgent than the caller. Answers the frame to return through; the caller is ready, behind others
/// of its priority.
///
/// # Errors
/// The [`Waiter`] to go on with; `None` for the slow path.
///
/// # Safety
/// As for [`fault`].
#[inline(always)]
pub unsafe fn signal(cpu: &ThisCpu, frame: &mut Frame) -> Result<*const Frame, Option<Waiter>> {
    // SAFETY: by the contract a thread runs, and it is on this CPU until the switch.
    let signaller = unsafe { &*cpu.current_pointer() };
    let (state, badge) = lock_notification(signaller, frame).ok_or(None)?;
    let path = path_to_more_urgent(cpu, signaller, &state).filter(|path| *path != Path::Remote).ok_or(None)?;
    let waiter = take(state).ok_or(None)?;
    frame.set_system_call_result(0);
    if path != Path::Direct {
        return Err(Some(Waiter(waiter, badge)));
    }
    // SAFETY: by the contract.
    Ok(unsafe { run_waiter(cpu, waiter, badge) })
}

/// Takes the one thread that waits for a notification, if it is more urgent than the one that runs, if any runs, and needs
/// nothing but this CPU. [`run_waiter`] is to follow, with nothing in between that looks at who is ready.
#[inline(always)]
pub fn take_waiter(cpu: &ThisCpu, notification: &Notification) -> Option<Arc<Thread>> {
    let state = try_lock_briefly(&notification.state)?;
    if path_to_more_urgent(cpu, cpu.current()?, &state)? == Path::Direct { take(state) } else { None }
}

/// The path to the one thread that waits for a notification, if it is more urgent than the one that runs.
#[inline(always)]
fn path_to_more_urgent(cpu: &ThisCpu, running: &Thread, state: &notification::State) -> Option<Path> {
    let waiter = state.sole.get()?;
    if waiter.priority() > running.priority() { sched::path_to(cpu, waiter) } else { None }
}

/// Takes the one thread that waits.
#[inline(always)]
fn take(mut state: BriefGuard<'_, notification::State, rank::Notification>) -> Option<Arc<Thread>> {
    state.sole.take().inspect(|waiter| waiter.notification().clear())
}

/// Runs a thread that [`take_waiter`] took instead of the less urgent one, which stays ready; it gets the bits of the badge. Answers
/// the frame to return through.
///
/// # Safety
/// The thread that runs, and runs no more, has been interrupted in ring 3, or is in a system call that is over.
#[inline(always)]
pub unsafe fn run_waiter(cpu: &ThisCpu, waiter: Arc<Thread>, badge: u64) -> *const Frame {
    // SAFETY: by the contract.
    unsafe { run_by(cpu, Path::Direct, waiter, badge) }
}

/// # Safety
/// As for [`run_waiter`]; `path` is the way to the waiter.
#[inline(always)]
unsafe fn run_by(cpu: &ThisCpu, path: Path, waiter: Arc<Thread>, badge: u64) -> *const Frame {
    // The newcomer may call somebody who is no more urgent than those that are ready.
    sched::ensure_slice(cpu);
    // SAFETY: it was in the list of waiters, and has just been taken from there.
    notification::hand_bits(unsafe { OffCpu::new(&waiter) }, notification::bits_of(badge));
    waiter.set_wait(Wait::Nothing);
    let settle = |_: &Thread, previous| sched::queue_preempted(cpu, previous);
    // SAFETY: by the contract.
    unsafe { sched::give_way(cpu, path, cpu.current_pointer(), waiter, settle) }
}

/// The endpoint that the first argument of the running thread's call names, its lock taken, and the capability's badge.
#[inline(always)]
fn lock_endpoint<'endpoint>(thread: &Thread, frame: &Frame, right: Rights) -> Option<(LockedEndpoint<'endpoint>, u64)> {
    let [slot, ..] = frame.system_call_arguments();
    thread.capabilities().try_inspect(slot, |capability| {
        let endpoint = capability.object.get::<Counted<Endpoint>>()?;
        if !capability.rights.contains(right) {
            return None;
        }
        // SAFETY: the capability is in its slot, whose lock is held, so the endpoint is alive now. Whoever drops the last
        // capability takes the endpoint's lock before the endpoint goes, so it outlives the guard; nobody uses the
        // reference for longer.
        let endpoint: &'endpoint Endpoint = unsafe { &*core::ptr::from_ref::<Endpoint>(endpoint.object()) };
        Some((LockedEndpoint::try_lock(endpoint)?, capability.badge))
    })
}

/// The notification that the first argument of the running thread's call names, its lock taken, and the capability's badge.
#[inline(always)]
fn lock_notification<'notification>(
    thread: &Thread,
    frame: &Frame,
) -> Option<(BriefGuard<'notification, notification::State, rank::Notification>, u64)> {
    let [slot, ..] = frame.system_call_arguments();
    thread.capabilities().try_inspect(slot, |capability| {
        let notification = capability.object.get::<Counted<Notification>>()?;
        if !capability.rights.contains(Rights::SEND) {
            return None;
        }
        // SAFETY: as in `lock_endpoint`: whoever drops the last capability takes the notification's lock before it goes.
        let notification: &'notification Notification =
            unsafe { &*core::ptr::from_ref::<Notification>(notification.object()) };
        Some((try_lock_briefly(&notification.state)?, capability.badge))
    })
}
