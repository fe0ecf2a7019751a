//! The short way: when the other side waits on this CPU and its message fits into registers.
//!
//! Each function looks first and changes nothing until all conditions hold; `None` sends the caller the long way, which
//! can do everything. (A client is taken before it is looked at: until then somebody else may take it, and free it.) What is left out here is what costs: counting references, waiting for a lock, the run queue.
//!
//! What the conditions are: nobody else has the lock of the endpoint or of the capability space at this moment; the other
//! thread waits, belongs to this CPU, and is neither in a timer list nor to stop; nobody ready here has a higher priority.

use gatehouse_abi::{MessageTag, REPLY_RESUME, TrapNumber};
use spin::MutexGuard;

use super::endpoint::{Endpoint, Queues};
use super::fault::record;
use super::message::transfer_fault;
use super::reply::owe;
use crate::arch::Frame;
use crate::capability::Rights;
use crate::cpu::ThisCpu;
use crate::object::KernelObject;
use crate::sched::{self, Next};
use crate::system_call;
use crate::thread::{Thread, Wait};
use crate::trap::TrapFrame as _;

/// Sends the running thread's fault to its handler.
#[inline(always)]
pub fn deliver_fault_here(cpu: &ThisCpu, number: TrapNumber, address: u64, frame: &Frame) -> Option<Next> {
    let client = cpu.current()?;
    let (endpoint, badge) = client.fault_endpoint()?;
    let mut queues = endpoint.queues.try_lock()?;
    if !can_run_next(cpu, queues.receiver.as_deref()?) {
        return None;
    }
    let receiver = queues.take_receiver()?;
    drop(queues);
    record(client, number, address, frame);
    client.set_wait(Wait::ForFaultReply);
    transfer_fault(client, &receiver, badge);
    receiver.set_wait(Wait::Nothing);
    Some(sched::switch_directly(cpu, receiver, owe))
}

/// `Call`.
#[inline(always)]
pub fn call_here(cpu: &ThisCpu, frame: &Frame) -> Option<Next> {
    let tag = frame.message_tag_bits();
    // Neither a fault's label nor flags, and no more words than registers.
    if tag >= u64::from(MessageTag::FAULT) << MessageTag::LABEL_SHIFT || tag & 0xffff > MessageTag::REGISTER_WORDS {
        return None;
    }
    let client = cpu.current()?;
    let (mut queues, _, badge) = lock_endpoint(client, frame, Rights::SEND)?;
    if !can_run_next(cpu, queues.receiver.as_deref()?) {
        return None;
    }
    let receiver = queues.take_receiver()?;
    drop(queues);
    client.set_wait(Wait::ForReply);
    // SAFETY: the receiver waited, so it is off every CPU, and this is its owner now.
    unsafe { &mut *receiver.frame_pointer() }.set_message(MessageTag::from_bits(tag), badge, frame.message_words());
    receiver.set_wait(Wait::Nothing);
    Some(sched::switch_directly(cpu, receiver, owe))
}

/// `ReplyReceive`, to somebody who waits for a reply, when nobody else has sent anything.
#[inline(always)]
pub fn reply_receive_here(cpu: &ThisCpu, frame: &mut Frame) -> Option<Next> {
    let tag = frame.message_tag_bits();
    if tag > MessageTag::new(u16::MAX, MessageTag::REGISTER_WORDS).to_bits()
        || tag & 0xffff > MessageTag::REGISTER_WORDS
    {
        return None;
    }
    let server = cpu.current()?;
    let (mut queues, endpoint, _) = lock_endpoint(server, frame, Rights::RECEIVE)?;
    if !queues.senders.is_empty() {
        return None;
    }
    let client = server.take_client()?;
    let is_fault = client.wait() == Wait::ForFaultReply;
    if !can_run_next(cpu, &client) || is_fault && MessageTag::from_bits(tag).label() != REPLY_RESUME {
        drop(queues);
        return Some(system_call::reply_receive_to(cpu, frame, client));
    }
    if !is_fault {
        // SAFETY: the client waited for this reply, so it is off every CPU, and this is its owner now.
        unsafe { &mut *client.frame_pointer() }.set_message(MessageTag::from_bits(tag), 0, frame.message_words());
    }
    client.clear_server();
    client.set_wait(Wait::Nothing);
    server.set_wait(Wait::ToReceive);
    server.set_endpoint(endpoint);
    // Only with all of its state saved can the server be found in the queue.
    Some(sched::switch_directly(cpu, client, |_, server| queues.push_receiver(server)))
}

/// Whether a thread that waits could run on this CPU at once.
#[inline(always)]
fn can_run_next(cpu: &ThisCpu, thread: &Thread) -> bool {
    thread.cpu() == cpu.index() && sched::nobody_above(cpu, thread.priority()) && thread.attention().is_nothing()
}

/// The endpoint that the first argument of the running thread's call names, its lock taken, and the capability's badge.
#[inline(always)]
fn lock_endpoint<'endpoint>(
    thread: &Thread,
    frame: &Frame,
    right: Rights,
) -> Option<(MutexGuard<'endpoint, Queues>, &'endpoint Endpoint, u64)> {
    let [slot, ..] = frame.system_call_arguments();
    thread.program().capabilities().try_inspect(slot, |capability| {
        let KernelObject::Endpoint(endpoint) = &capability.object else { return None };
        if !capability.rights.contains(right) {
            return None;
        }
        // SAFETY: the capability is in its slot, whose lock is held, so the endpoint is alive now. Whoever drops the last
        // capability takes the endpoint's lock before the endpoint goes, so it outlives the guard; nobody uses the
        // reference for longer.
        let endpoint: &'endpoint Endpoint = unsafe { &*core::ptr::from_ref::<Endpoint>(endpoint.object()) };
        Some((endpoint.queues.try_lock()?, endpoint, capability.badge))
    })
}
