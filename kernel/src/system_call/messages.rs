//! Calls that send and receive.

use alloc::sync::Arc;

use gatehouse_abi::{Error, MessageTag, SystemCall};
use gatehouse_core::capability::Rights;

use super::look_up;
use crate::arch::{Frame, TrapFrame as _};
use crate::cpu::ThisCpu;
use crate::ipc::{self, Endpoint, Sender, Sending};
use crate::object::Counted;
use crate::sched::Next;
use crate::thread::Thread;

/// The endpoint behind a slot of the thread's program, and the capability's badge.
#[inline(always)]
pub(super) fn endpoint(thread: &Thread, slot: u64, right: Rights) -> Result<(Arc<Endpoint>, u64), Error> {
    look_up::with(thread, slot, right, |endpoint: &Counted<Endpoint>, badge| (Arc::clone(endpoint.object()), badge))
}

fn refuse(frame: &mut Frame, error: Error) -> Next {
    frame.set_system_call_result(error.to_register());
    Next::Stay
}

/// One of the calls of this file.
#[inline(always)]
pub(super) fn message_call(cpu: &ThisCpu, call: SystemCall, frame: &mut Frame) -> Next {
    make(cpu, call, frame, None)
}

/// [`SystemCall::ReplyReceive`] to a client that has been taken already, on the fast path.
#[inline(always)]
pub(super) fn reply_receive_to(cpu: &ThisCpu, frame: &mut Frame, client: Arc<Thread>) -> Next {
    make(cpu, SystemCall::ReplyReceive, frame, Some(client))
}

#[inline(always)]
fn make(cpu: &ThisCpu, call: SystemCall, frame: &mut Frame, client: Option<Arc<Thread>>) -> Next {
    let Some(thread) = cpu.current() else { unreachable!("only threads make system calls") };
    let tag = frame.message_tag();
    if call != SystemCall::Receive && client.is_none() {
        if tag.words() > MessageTag::MAX_WORDS {
            return refuse(frame, Error::InvalidArgument);
        }
        if let Err(error) = ipc::capability_transfer::check(thread, tag) {
            return refuse(frame, error);
        }
    }
    if call == SystemCall::Reply {
        return ipc::reply(cpu, frame, thread.reply_right().take());
    }
    let [slot, ..] = frame.system_call_arguments();
    let right = if matches!(call, SystemCall::Send | SystemCall::Call) { Rights::SEND } else { Rights::RECEIVE };
    let (endpoint, badge) = match endpoint(thread, slot, right) {
        Ok(found) => found,
        Err(error) => return refuse_with(cpu, frame, error, client),
    };
    match call {
        SystemCall::Send => send(cpu, frame, Sending::Send, &endpoint, badge),
        SystemCall::Call => send(cpu, frame, Sending::Call, &endpoint, badge),
        SystemCall::ReplyReceive => {
            let client = client.or_else(|| thread.reply_right().take());
            ipc::reply_receive(cpu, frame, &endpoint, client)
        }
        _ => {
            ipc::forget_client(cpu);
            ipc::receive(cpu, frame, &endpoint, !tag.is_non_blocking(), None)
        }
    }
}

/// Should the endpoint's capability be gone by now, a client that has been taken gets its reply all the same.
fn refuse_with(cpu: &ThisCpu, frame: &mut Frame, error: Error, client: Option<Arc<Thread>>) -> Next {
    let next = client.map_or(Next::Stay, |client| ipc::reply(cpu, frame, Some(client)));
    frame.set_system_call_result(error.to_register());
    next
}

#[inline(always)]
fn send(cpu: &ThisCpu, frame: &mut Frame, sending: Sending, endpoint: &Endpoint, badge: u64) -> Next {
    let tag = frame.message_tag();
    // Only the kernel tells of faults.
    if tag.is_fault() {
        return refuse(frame, Error::InvalidArgument);
    }
    let sent = ipc::send(cpu, Sender::Running, sending, endpoint, badge, !tag.is_non_blocking());
    sent.unwrap_or_else(|(error, _)| refuse(frame, error))
}
