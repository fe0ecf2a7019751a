//! The short way: when the other side waits on this CPU and its message fits into registers.
//!
//! Each function looks first and changes nothing until all conditions hold; `None` sends the caller the long way, which
//! can do everything. (A client is taken before it is looked at: until then somebody else may take it, and free it.) What is
//! left out here is what costs: counting references, waiting for a lock, the run queue.
//!
//! What the conditions are: nobody else has the lock of the endpoint or of the capability space at this moment; the other
//! thread waits alone, belongs to this CPU, and is neither in a timer list nor to stop; nobody ready here has a higher priority.
//!
//! Each is made twice. The first, `PLAIN`, gives up if the running thread has floating-point state or the other is
//! [`Special`](crate::thread::Special) in any way, and so calls no other function and keeps nothing on the stack; the second
//! does what such threads need, too.

use alloc::sync::Arc;

use gatehouse_abi::{MessageTag, REPLY_RESUME, TrapNumber};
use gatehouse_core::capability::Rights;
use gatehouse_core::intrusive::Owed;

use super::endpoint::Endpoint;
use super::fault::record;
use super::message::transfer_fault;
use super::notification::{self, Notification};
use super::reply::owe;
use super::waiter::Queues;
use crate::arch::{Frame, TrapFrame as _};
use crate::cpu::ThisCpu;
use crate::object::{Counted, TryInspect as _};
use crate::sched;
use crate::sync::{BriefGuard, rank, try_lock_briefly};
use crate::thread::{OffCpu, Thread, Wait};

/// Sends the running thread's fault to its handler. Answers the frame to return through. Faults of a program that has had
/// pages swapped out go the long way, unless they are not `OF_MEMORY`: they may be nobody's business but the kernel's.
///
/// # Safety
/// A thread runs on this CPU, and `frame` is its own, from a trap that is being handled.
#[inline(always)]
pub unsafe fn deliver_fault_here<const PLAIN: bool, const OF_MEMORY: bool>(
    cpu: &ThisCpu,
    number: TrapNumber,
    address: u64,
    frame: &Frame,
) -> Option<*const Frame> {
    let running = cpu.current_pointer();
    // SAFETY: by the contract a thread runs, and it is on this CPU until the switch.
    let client = unsafe { &*running };
    if OF_MEMORY && client.program().residence().may_be_away() {
        return None;
    }
    let (endpoint, badge) = client.fault_endpoint()?;
    let receiver = take_receiver::<PLAIN>(cpu, try_lock_briefly(&endpoint.queues)?)?;
    let what = record(client, number, address, frame);
    client.set_wait(Wait::ForFaultReply);
    transfer_fault(client, frame, &receiver, badge, what);
    receiver.set_wait(Wait::Nothing);
    // The instance for page faults alone knows that they are no breakpoints.
    let owed = if PLAIN && OF_MEMORY { Owed::Answer } else { Owed::for_fault(number) };
    let settle = |server: &Thread, client| owe(server, client, owed);
    // SAFETY: this is the thread that runs.
    Some(unsafe { sched::switch_directly::<PLAIN>(cpu, running, receiver, settle) })
}

/// `Call`. Answers the frame to return through.
///
/// # Safety
/// As for [`deliver_fault_here`].
#[inline(always)]
pub unsafe fn call_here<const PLAIN: bool>(cpu: &ThisCpu, frame: &Frame) -> Option<*const Frame> {
    let tag = MessageTag::in_registers(frame.message_tag_bits())?;
    let running = cpu.current_pointer();
    // SAFETY: by the contract a thread runs, and it is on this CPU until the switch.
    let client = unsafe { &*running };
    let (queues, _, badge) = lock_endpoint(client, frame, Rights::SEND)?;
    if tag.is_fault() {
        return None;
    }
    let receiver = take_receiver::<PLAIN>(cpu, queues)?;
    client.set_wait(Wait::ForReply);
    // SAFETY: the receiver waited, so it is off every CPU, and this is its owner now.
    unsafe { &mut *receiver.frame_pointer() }.take_message(tag, badge, frame);
    receiver.set_wait(Wait::Nothing);
    // SAFETY: this is the thread that runs.
    Some(unsafe {
        sched::switch_directly::<PLAIN>(cpu, running, receiver, |server, client| owe(server, client, Owed::Answer))
    })
}

/// What [`reply_receive_here`] comes to if the short way was open up to the client, but it cannot run at once: the client,
/// which has been taken, and the endpoint with its lock, where nobody waits.
#[derive(Debug)]
pub struct TakenClient<'endpoint> {
    client: Arc<Thread>,
    queues: BriefGuard<'endpoint, Queues, rank::Endpoint>,
    endpoint: &'endpoint Endpoint,
}

impl TakenClient<'_> {
    /// The client alone.
    #[must_use]
    pub fn into_client(self) -> Arc<Thread> {
        self.client
    }
}

/// `ReplyReceive`, to somebody who waits for a reply, when nobody else has sent anything. Answers the frame to return through.
///
/// # Errors
/// [`TakenClient`] if the client has been taken and goes the long way from there.
///
/// # Safety
/// As for [`deliver_fault_here`].
#[inline(always)]
pub unsafe fn reply_receive_here<'endpoint, const PLAIN: bool>(
    cpu: &ThisCpu,
    frame: &Frame,
) -> Result<Option<*const Frame>, TakenClient<'endpoint>> {
    let Some(tag) = MessageTag::in_registers(frame.message_tag_bits()) else { return Ok(None) };
    let running = cpu.current_pointer();
    // SAFETY: by the contract a thread runs, and it is on this CPU until the switch.
    let server = unsafe { &*running };
    let Some((mut queues, endpoint, _)) = lock_endpoint(server, frame, Rights::RECEIVE) else { return Ok(None) };
    if !queues.lone.is_nobody() {
        return Ok(None);
    }
    let Some(client) = server.reply_right().take() else { return Ok(None) };
    if !can_run_next::<PLAIN>(cpu, &client) {
        return Err(TakenClient { client, queues, endpoint });
    }
    let is_fault = client.wait() == Wait::ForFaultReply;
    if is_fault && tag.label() != REPLY_RESUME {
        return Err(TakenClient { client, queues, endpoint });
    }
    if !is_fault {
        // SAFETY: the client waited for this reply, so it is off every CPU, and this is its owner now.
        unsafe { &mut *client.frame_pointer() }.take_message(tag, 0, frame);
    }
    client.set_wait(Wait::Nothing);
    server.set_wait(Wait::ToReceive);
    server.endpoint().set(endpoint);
    // Only with all of its state saved can the server be found in the queue.
    let settle = |_: &Thread, server| queues.lone.set(server);
    // SAFETY: this is the thread that runs.
    Ok(Some(unsafe { sched::switch_directly::<PLAIN>(cpu, running, client, settle) }))
}

/// `Signal`, to somebody more urgent than the caller. Answers the frame to return through; the caller is ready, behind others
/// of its priority.
///
/// # Safety
/// As for [`deliver_fault_here`].
#[inline(always)]
pub unsafe fn signal_here<const PLAIN: bool>(cpu: &ThisCpu, frame: &mut Frame) -> Option<*const Frame> {
    let running = cpu.current_pointer();
    // SAFETY: by the contract a thread runs, and it is on this CPU until the switch.
    let signaller = unsafe { &*running };
    let (state, badge) = lock_notification(signaller, frame)?;
    let waiter = take_more_urgent::<PLAIN>(cpu, signaller, state)?;
    frame.set_system_call_result(0);
    // SAFETY: this is the thread that runs.
    Some(unsafe { run_instead_of::<PLAIN>(cpu, running, waiter, badge) })
}

/// Takes the one thread that waits for a notification, if it is more urgent than the one that runs, if any runs, and needs
/// nothing but this CPU. [`run_waiter`] is to follow, with nothing in between that looks at who is ready.
#[inline(always)]
pub fn take_waiter(cpu: &ThisCpu, notification: &Notification) -> Option<Arc<Thread>> {
    take_more_urgent::<true>(cpu, cpu.current()?, try_lock_briefly(&notification.state)?)
}

/// Runs a thread that [`take_waiter`] took; it gets the bits of the badge. Answers the frame to return through.
///
/// # Safety
/// The thread that runs, and runs no more, has been interrupted in ring 3, or is in a system call that is over.
#[inline(always)]
pub unsafe fn run_waiter(cpu: &ThisCpu, waiter: Arc<Thread>, badge: u64) -> *const Frame {
    // SAFETY: a thread ran when the waiter was taken.
    unsafe { run_instead_of::<true>(cpu, cpu.current_pointer(), waiter, badge) }
}

/// The one thread that waits for a notification, if it can run at once and is more urgent than the one that runs.
#[inline(always)]
fn take_more_urgent<const PLAIN: bool>(
    cpu: &ThisCpu,
    running: &Thread,
    mut state: BriefGuard<'_, notification::State, rank::Notification>,
) -> Option<Arc<Thread>> {
    let waiter = state.lone.get()?;
    if waiter.priority() <= running.priority() || !can_run_next::<PLAIN>(cpu, waiter) {
        return None;
    }
    state.lone.take().inspect(|waiter| waiter.notification().clear())
}

/// Runs a thread that waited for a notification instead of a less urgent one, which stays ready.
///
/// # Safety
/// `running` is the CPU's `current_pointer`, and not null.
#[inline(always)]
unsafe fn run_instead_of<const PLAIN: bool>(
    cpu: &ThisCpu,
    running: *const Thread,
    waiter: Arc<Thread>,
    badge: u64,
) -> *const Frame {
    // The newcomer may call somebody who is no more urgent than those that are ready.
    sched::ensure_slice(cpu);
    // SAFETY: it was in the list of waiters, and has just been taken from there.
    notification::hand_bits(unsafe { OffCpu::new(&waiter) }, notification::bits_of(badge));
    waiter.set_wait(Wait::Nothing);
    let settle = |_: &Thread, previous| sched::queue_preempted(cpu, previous);
    // SAFETY: by the contract.
    unsafe { sched::switch_directly::<PLAIN>(cpu, running, waiter, settle) }
}

/// [`deliver_fault_here`] for a receiver of another CPU, to which it is handed over. This CPU goes on with whoever is ready.
///
/// # Safety
/// As for [`deliver_fault_here`].
pub unsafe fn deliver_fault_elsewhere(
    cpu: &ThisCpu,
    number: TrapNumber,
    address: u64,
    frame: &Frame,
) -> Option<*const Frame> {
    let client = cpu.current()?;
    if client.program().residence().may_be_away() {
        return None;
    }
    let (endpoint, badge) = client.fault_endpoint()?;
    let receiver = take_remote_receiver(cpu, try_lock_briefly(&endpoint.queues)?)?;
    let what = record(client, number, address, frame);
    client.set_wait(Wait::ForFaultReply);
    transfer_fault(client, frame, &receiver, badge, what);
    Some(give_way_to(cpu, receiver, Owed::for_fault(number)))
}

/// [`call_here`] for a receiver of another CPU.
///
/// # Safety
/// As for [`deliver_fault_here`].
pub unsafe fn call_elsewhere(cpu: &ThisCpu, frame: &Frame) -> Option<*const Frame> {
    let tag = MessageTag::in_registers(frame.message_tag_bits())?;
    let client = cpu.current()?;
    let (queues, _, badge) = lock_endpoint(client, frame, Rights::SEND)?;
    if tag.is_fault() {
        return None;
    }
    let receiver = take_remote_receiver(cpu, queues)?;
    client.set_wait(Wait::ForReply);
    // SAFETY: the receiver waited, so it is off every CPU, and this is its owner now.
    unsafe { &mut *receiver.frame_pointer() }.take_message(tag, badge, frame);
    Some(give_way_to(cpu, receiver, Owed::Answer))
}

/// [`reply_receive_here`] to a client of another CPU that has been taken.
///
/// # Errors
/// The client, if it goes the long way from there.
///
/// # Safety
/// As for [`deliver_fault_here`].
#[inline(always)]
pub unsafe fn reply_receive_elsewhere(
    cpu: &ThisCpu,
    frame: &Frame,
    TakenClient { client, mut queues, endpoint }: TakenClient<'_>,
) -> Result<*const Frame, Arc<Thread>> {
    let is_fault = client.wait() == Wait::ForFaultReply;
    let Some(tag) = MessageTag::in_registers(frame.message_tag_bits()) else { return Err(client) };
    if !belongs_elsewhere(cpu, &client) || is_fault && tag.label() != REPLY_RESUME {
        return Err(client);
    }
    if !is_fault {
        // SAFETY: the client waited for this reply, so it is off every CPU, and this is its owner now.
        unsafe { &mut *client.frame_pointer() }.take_message(tag, 0, frame);
    }
    client.set_wait(Wait::Nothing);
    let Some(server) = sched::detach_current(cpu) else { unreachable!("it runs") };
    server.set_wait(Wait::ToReceive);
    server.endpoint().set(endpoint);
    queues.lone.set(server);
    drop(queues);
    sched::hand_over_elsewhere(cpu, client);
    Ok(sched::pick_anew(cpu))
}

/// The running thread waits for the reply of `receiver`, a thread of another CPU that has its message.
#[inline(always)]
fn give_way_to(cpu: &ThisCpu, receiver: Arc<Thread>, owed: Owed) -> *const Frame {
    receiver.set_wait(Wait::Nothing);
    let Some(client) = sched::detach_current(cpu) else { unreachable!("a running thread gives way") };
    owe(&receiver, client, owed);
    sched::hand_over_elsewhere(cpu, receiver);
    sched::pick_anew(cpu)
}

/// The one receiver that waits, if it belongs to another CPU.
#[inline(always)]
fn take_remote_receiver(cpu: &ThisCpu, mut queues: BriefGuard<'_, Queues, rank::Endpoint>) -> Option<Arc<Thread>> {
    if !belongs_elsewhere(cpu, queues.lone.get()?) {
        return None;
    }
    queues.lone.take().inspect(|receiver| receiver.endpoint().clear())
}

/// Whether a thread that waits can be handed over to another CPU.
#[inline(always)]
fn belongs_elsewhere(cpu: &ThisCpu, thread: &Thread) -> bool {
    thread.cpu() != cpu.index() && thread.attention().is_nothing()
}

/// The one receiver that waits, if it can run at once.
#[inline(always)]
fn take_receiver<const PLAIN: bool>(
    cpu: &ThisCpu,
    mut queues: BriefGuard<'_, Queues, rank::Endpoint>,
) -> Option<Arc<Thread>> {
    if !can_run_next::<PLAIN>(cpu, queues.lone.get()?) {
        return None;
    }
    queues.lone.take().inspect(|receiver| receiver.endpoint().clear())
}

/// Whether a thread that waits could run on this CPU at once.
#[inline(always)]
fn can_run_next<const PLAIN: bool>(cpu: &ThisCpu, thread: &Thread) -> bool {
    // Threads that wait here are in no timer list, or are marked.
    let here = if PLAIN {
        thread.attention().is_plain_on(cpu.local().plain_index())
    } else {
        thread.cpu() == cpu.index() && thread.attention().may_run_at_home()
    };
    here && sched::nobody_above(cpu, thread.priority())
}

/// The endpoint that the first argument of the running thread's call names, its lock taken, and the capability's badge.
#[inline(always)]
fn lock_endpoint<'endpoint>(
    thread: &Thread,
    frame: &Frame,
    right: Rights,
) -> Option<(BriefGuard<'endpoint, Queues, rank::Endpoint>, &'endpoint Endpoint, u64)> {
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
        Some((try_lock_briefly(&endpoint.queues)?, endpoint, capability.badge))
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
