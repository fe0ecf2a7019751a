//! Calls that send and receive.

use alloc::sync::Arc;

use gatehouse_abi::{Error, MessageTag, SystemCall};
use gatehouse_core::capability::Rights;

use super::look_up;
use crate::arch::{Frame, TrapFrame as _};
use crate::cpu::ThisCpu;
use crate::ipc::{self, Endpoint};
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
    let Some(thread) = cpu.current() else { unreachable!("only threads make system calls") };
    if call != SystemCall::Receive && frame.message_tag().words() > MessageTag::MAX_WORDS {
        return refuse(frame, Error::InvalidArgument);
    }
    if call != SystemCall::Receive
        && let Err(error) = ipc::capability_transfer::check(thread, frame.message_tag())
    {
        return refuse(frame, error);
    }
    if call == SystemCall::Reply {
        return ipc::reply(cpu, frame, thread.reply_right().take());
    }
    let [slot, ..] = frame.system_call_arguments();
    let right = if matches!(call, SystemCall::Send | SystemCall::Call) { Rights::SEND } else { Rights::RECEIVE };
    let (endpoint, badge) = match endpoint(thread, slot, right) {
        Ok(found) => found,
        Err(error) => return refuse(frame, error),
    };
    match call {
        SystemCall::Call => ipc::call(cpu, frame, &endpoint, badge),
        SystemCall::ReplyReceive => ipc::reply_receive(cpu, frame, &endpoint, thread.reply_right().take()),
        SystemCall::Send => ipc::send(cpu, frame, &endpoint, badge),
        _ => ipc::receive(cpu, frame, &endpoint, !frame.message_tag().is_non_blocking()),
    }
}

/// [`SystemCall::ReplyReceive`] with the client taken. Should the endpoint's capability be gone by now, the reply goes out
/// all the same.
pub(super) fn reply_receive_to(cpu: &ThisCpu, frame: &mut Frame, client: Arc<Thread>) -> Next {
    let Some(thread) = cpu.current() else { unreachable!("only threads make system calls") };
    let [slot, ..] = frame.system_call_arguments();
    match endpoint(thread, slot, Rights::RECEIVE) {
        Ok((endpoint, _)) => ipc::reply_receive(cpu, frame, &endpoint, Some(client)),
        Err(error) => {
            let next = ipc::reply(cpu, frame, Some(client));
            frame.set_system_call_result(error.to_register());
            next
        }
    }
}
