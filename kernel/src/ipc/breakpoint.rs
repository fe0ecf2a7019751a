//! Breakpoints whose message is under way: taking them back, and sending them late.
//!
//! Everything here is rare and made by whoever debugs, so it may take the lock that holds waiting threads where they are.

use alloc::sync::Arc;

use super::cancel::{CANCEL, cancel_again};
use super::endpoint::Endpoint;
use super::fault::record;
use super::handler::FaultHandler;
use super::message::{Sending, transfer};
use super::reply::owe;
use crate::console;
use crate::cpu::ThisCpu;
use crate::program;
use crate::sched::{self, Next};
use crate::thread::{Thread, Wait};
use crate::trap::LeftPaused;

/// Shows a thread whose fault waits in an endpoint's queue, or whose reply is saved; `None` if neither is so.
pub fn with_waiting_fault<Answer>(thread: &Thread, show: impl FnOnce(&Thread) -> Answer) -> Option<Answer> {
    let _stable = CANCEL.lock();
    if let Some(saved) = thread.saved_reply() {
        // SAFETY: a saved reply takes the lock held here, and gives up its client, before it goes.
        let shown = unsafe { &*saved }.inspect_stable(|client| {
            let is_it = core::ptr::eq(client, thread) && client.wait() == Wait::ForFaultReply;
            is_it.then(|| show(client))
        });
        return shown.flatten();
    }
    let endpoint = thread.endpoint()?;
    // SAFETY: an endpoint takes the lock held here before it goes, and empties its queues, so one that a queued thread
    // points to is alive.
    let endpoint: &Endpoint = unsafe { &*endpoint };
    let queues = endpoint.queues.lock();
    let queued = queues.senders.iter().find(|other| core::ptr::eq(*other, thread))?;
    (queued.wait() == Wait::ToSendFault).then(|| show(queued))
}

/// Shows `client` if the running `server` owes it the reply to its fault.
pub fn with_owed_fault<Answer>(
    server: &Thread,
    client: &Thread,
    show: impl FnOnce(&Thread) -> Answer,
) -> Option<Answer> {
    let _stable = CANCEL.lock();
    // Besides the server itself, which runs this, clients are taken only with the lock held: the thread stays where it is.
    let is_owed = core::ptr::eq(server.client(), client) && client.wait() == Wait::ForFaultReply;
    is_owed.then(|| show(client))
}

/// Takes a thread away from its debugger, which has been sent its breakpoint or will be: the caller owns the thread then, and
/// no reply is owed any more. `None` if it waits for nothing of the kind.
#[must_use]
pub fn take_breakpoint(thread: &Thread) -> Option<Arc<Thread>> {
    if !thread.may_stand_at_breakpoint() {
        return None;
    }
    let _stable = CANCEL.lock();
    if let Some(endpoint) = thread.endpoint() {
        // SAFETY: as above.
        let endpoint: &Endpoint = unsafe { &*endpoint };
        let mut queues = endpoint.queues.lock();
        let is_queued = |other: &Thread| core::ptr::eq(other, thread) && other.breakpoint().is_some();
        if queues.senders.iter().any(is_queued)
            && let Some(taken) = queues.remove_fault(thread)
        {
            return Some(taken);
        }
    }
    let is_told = |client: &Thread| client.wait() == Wait::ForFaultReply && client.breakpoint().is_some();
    if let Some(saved) = thread.saved_reply() {
        // SAFETY: as above.
        let saved = unsafe { &*saved };
        return if saved.inspect_stable(is_told)? { saved.take_stable() } else { None };
    }
    let server = thread.server()?;
    // SAFETY: a server takes the lock held here, and gives up its clients, before it goes.
    let server = unsafe { &*server };
    let client = server.take_this_client(thread)?;
    if is_told(&client) {
        client.clear_server();
        return Some(client);
    }
    // It went on since it was looked at, and by now waits for the same server with something else.
    server.set_client(client);
    None
}

/// The debugger of a thread that stands at a breakpoint is gone, or did not reply: it stays where it is.
pub(super) fn leave_paused(cpu: &ThisCpu, thread: Arc<Thread>) {
    thread.clear_server();
    if !thread.program().is_quiet() && !thread.program().is_ending() {
        console::line(format_args!("{}", LeftPaused(&thread)));
    }
    program::pause(cpu, thread);
}

/// Tells the fault handler of a thread of the breakpoint that it was paused at before it had one. The caller owns the
/// thread; without a handler that could take it, it is paused again. No time limit holds for this one message: the timer of
/// another CPU would have to keep it.
pub fn deliver_pending(cpu: &ThisCpu, thread: Arc<Thread>) -> Next {
    let target = {
        let handler = thread.handler().lock();
        handler.as_ref().and_then(FaultHandler::target).map(|(endpoint, badge)| (Arc::clone(endpoint), badge))
    };
    let (Some((endpoint, badge)), Some(pending)) = (target, thread.breakpoint()) else {
        program::pause(cpu, thread);
        return Next::Stay;
    };
    // SAFETY: the thread is off every CPU, and the caller owns it.
    let _noted = record(&thread, pending.number, pending.address, unsafe { &*thread.frame_pointer() });
    let program = Arc::clone(thread.program());
    let mut queues = endpoint.queues.lock();
    let next = match queues.take_receiver() {
        Some(receiver) => {
            drop(queues);
            thread.set_wait(Wait::for_reply(Sending::Fault));
            transfer(&thread, Sending::Fault, &receiver, badge);
            owe(&receiver, thread);
            receiver.set_wait(Wait::Nothing);
            sched::wake(cpu, receiver)
        }
        // Asked again under the lock: see `handler`.
        None if queues.open && thread.has_handler() => {
            thread.set_wait(Wait::to_send(Sending::Fault));
            thread.set_badge(badge);
            thread.set_endpoint(&endpoint);
            queues.push_sender(thread);
            drop(queues);
            Next::Stay
        }
        None => {
            drop(queues);
            program::pause(cpu, thread);
            Next::Stay
        }
    };
    // Whoever ends the program may have looked for its threads while this one was in no list.
    if program.is_ending() {
        cancel_again(cpu);
    }
    next
}
