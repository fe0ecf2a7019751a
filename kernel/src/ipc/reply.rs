//! Replies: one for each call and each fault.
//!
//! The right to reply is the pointer `owes_reply_to` in the server's thread, which owns the client. Whoever takes it out, by
//! one atomic exchange, owns the client from then on: the server to answer it, or somebody who ends the wait.

use alloc::sync::Arc;

use gatehouse_abi::{Error, REPLY_REGISTERS, REPLY_RESUME};
use gatehouse_core::intrusive::{self, Owed};

use super::endpoint::{Endpoint, receive};
use super::message::copy_rest;
use super::switch::make_ready;
use crate::arch::{Frame, TrapFrame as _};
use crate::cpu::ThisCpu;
use crate::invariant::invariant;
use crate::program;
use crate::sched::Next;
use crate::thread::{OffCpu, Thread, Wait};

/// Makes `server` owe a reply to `client`, which the caller owns. Only by the server's owner, and it owes none yet.
#[inline(always)]
pub(super) fn owe(server: &Thread, client: Arc<Thread>, owed: Owed) {
    invariant(server.reply_right().is_none());
    intrusive::owe(server, client, owed);
}

/// Whoever waits for a reply of the running thread, which is about to receive again, will never get one.
pub fn forget_client(cpu: &ThisCpu) {
    if let Some(client) = cpu.current().and_then(|server| server.reply_right().take()) {
        super::cancel::abandon(cpu, client);
    }
}

/// Gives `client` the reply of the running `server`, whose tag and words are in `frame`. Answers the client, which goes on; `None` if it
/// ends, with its program.
#[inline(always)]
fn answer(cpu: &ThisCpu, server: &Thread, client: Arc<Thread>, frame: &Frame) -> Option<Arc<Thread>> {
    let tag = frame.message_tag();
    if client.wait() == Wait::ForFaultReply {
        if tag.label() != REPLY_RESUME {
            return answer_fault(cpu, server, client, tag.label());
        }
    } else {
        let tag = copy_rest(server, &client, tag);
        // SAFETY: the client waited for this reply, so it is off every CPU, and this is its owner now.
        unsafe { &mut *client.frame_pointer() }.set_message(tag, 0, frame.message_words());
    }
    Some(client)
}

/// A reply to a fault that does more than let the thread go on.
#[inline(never)]
fn answer_fault(cpu: &ThisCpu, server: &Thread, client: Arc<Thread>, label: u16) -> Option<Arc<Thread>> {
    match label {
        REPLY_REGISTERS => {
            let registers = server.utcb().registers();
            // SAFETY: it waited for this reply, to which the caller has taken the right.
            unsafe { OffCpu::new(&client) }.set_registers(&registers);
            Some(client)
        }
        // `REPLY_KILL`, and labels that mean nothing: a handler that cannot say what it wants has not handled the fault.
        _ => {
            program::end_waiting(cpu, client);
            None
        }
    }
}

/// Replies to `client`, which the running thread owes a reply, and goes on. The tag is one that the ABI allows.
pub fn reply(cpu: &ThisCpu, frame: &mut Frame, client: Option<Arc<Thread>>) -> Next {
    let Some(server) = cpu.current() else { unreachable!("a running thread replies") };
    let Some(client) = client else {
        frame.set_system_call_result(Error::WrongState.to_register());
        return Next::Stay;
    };
    let answered = answer(cpu, server, client, frame);
    frame.set_system_call_result(0);
    make_ready(cpu, answered)
}

/// Replies to `client`, if a reply is owed, and receives. The tag is one that the ABI allows.
#[inline(always)]
pub fn reply_receive(cpu: &ThisCpu, frame: &mut Frame, endpoint: &Endpoint, client: Option<Arc<Thread>>) -> Next {
    let Some(server) = cpu.current() else { unreachable!("a running thread replies") };
    let answered = client.and_then(|client| answer(cpu, server, client, frame));
    receive(cpu, frame, endpoint, !frame.message_tag().is_non_blocking(), answered)
}
