//! Breakpoints whose message is under way: taking them back, and sending them late.
//!
//! Everything here is rare and made by whoever debugs, so it may take the lock that holds waiting threads where they are.

use alloc::sync::Arc;
use core::fmt;

use gatehouse_core::intrusive::take_client_at_breakpoint;

use super::cancel::{hold_waits, honour_marks};
use super::endpoint::{Sender, send};
use super::fault::record;
use super::handler::FaultHandler;
use super::message::Sending;
use crate::arch::{Arch, ArchTrap as _, TrapFrame as _};
use crate::console;
use crate::cpu::ThisCpu;
use crate::program;
use crate::sched::Next;
use crate::thread::{OffCpu, Thread, Wait};

/// Shows a thread whose fault waits in an endpoint's queue, or whose reply is saved; `None` if neither is so.
pub fn with_waiting_fault<Answer>(thread: &Thread, show: impl FnOnce(OffCpu<'_>) -> Answer) -> Option<Answer> {
    let waits = hold_waits();
    if let Some(saved) = thread.saved_reply().follow(&waits) {
        let shown = saved.inspect_stable(&waits, |client| {
            let is_it = core::ptr::eq(&raw const *client, thread) && client.wait() == Wait::ForFaultReply;
            is_it.then(|| show(client))
        });
        return shown.flatten();
    }
    let endpoint = thread.endpoint().follow(&waits)?;
    let _queues = endpoint.queues.lock();
    let waits_here = thread.endpoint().leads_to(endpoint) && thread.wait() == Wait::ToSendFault;
    // SAFETY: it is in the queue, whose lock is held.
    waits_here.then(|| show(unsafe { OffCpu::new(thread) }))
}

/// Shows `client` if the running `server` owes it the reply to its fault.
pub fn with_owed_fault<Answer>(
    server: &Thread,
    client: &Thread,
    show: impl FnOnce(OffCpu<'_>) -> Answer,
) -> Option<Answer> {
    let _waits = hold_waits();
    let is_owed = core::ptr::eq(server.reply_right().client(), client) && client.wait() == Wait::ForFaultReply;
    // SAFETY: it waits for that reply. Besides the server itself, which runs this, clients are taken only with the lock held.
    is_owed.then(|| show(unsafe { OffCpu::new(client) }))
}

/// Takes a thread away from its debugger, which has been sent its breakpoint or will be: the caller owns the thread then, and
/// no reply is owed any more. `None` if it waits for nothing of the kind.
#[must_use]
pub fn take_breakpoint(thread: &Thread) -> Option<Arc<Thread>> {
    if !thread.may_stand_at_breakpoint() {
        return None;
    }
    let waits = hold_waits();
    if let Some(endpoint) = thread.endpoint().follow(&waits) {
        let taken = endpoint.remove_fault(thread, |queued| queued.breakpoint().is_some());
        if taken.is_some() {
            return taken;
        }
    }
    if let Some(saved) = thread.saved_reply().follow(&waits) {
        let is_told = |client: OffCpu<'_>| client.wait() == Wait::ForFaultReply && client.breakpoint().is_some();
        return if saved.inspect_stable(&waits, is_told)? { saved.take_stable(&waits) } else { None };
    }
    take_client_at_breakpoint(thread, &waits)
}

/// The debugger of a thread that stands at a breakpoint is gone, or did not reply: it stays where it is.
pub(super) fn leave_paused(cpu: &ThisCpu, thread: Arc<Thread>) {
    // If its wait had a limit, that is over with the wait, though the CPU of the timer list hears of it later.
    if thread.flags().is_wait_limited() {
        // With all waits held, so that a deadline that comes finds either this wait or none.
        let _waits = hold_waits();
        thread.flags().void_limit();
    }
    if !thread.program().is_quiet() && !thread.program().is_ending() {
        // SAFETY: it waited for its debugger, and the caller has ended that wait.
        console::line(format_args!("{}", LeftPaused(unsafe { OffCpu::new(&thread) })));
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
    // SAFETY: it was paused, and the caller has taken it from there.
    let off_cpu = unsafe { OffCpu::new(&thread) };
    let (Some((endpoint, badge)), Some(pending)) = (target, off_cpu.breakpoint()) else {
        program::pause(cpu, thread);
        return Next::Stay;
    };
    let _noted = record(&off_cpu, pending.number, pending.address, off_cpu.frame());
    let in_hands = Arc::clone(&thread);
    let next = match send(cpu, Sender::Held(thread), Sending::Fault, &endpoint, badge, true) {
        Ok(next) => next,
        Err((_, Sender::Held(thread))) => {
            program::pause(cpu, thread);
            Next::Stay
        }
        Err((_, Sender::Running)) => unreachable!("the thread is held"),
    };
    // Whoever ends the program may have looked for its threads while this one was in no list.
    honour_marks(cpu, in_hands);
    next
}

/// The one line that tells of a thread whose debugger went away.
struct LeftPaused<'thread>(OffCpu<'thread>);

impl fmt::Display for LeftPaused<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (thread, program, frame) = (&self.0, self.0.program(), self.0.frame());
        write!(
            out,
            "breakpoint: program={} ({}) thread={} was left by its debugger ",
            program.name(),
            program.number(),
            thread.number()
        )?;
        write!(out, "at {:#x} ", frame.instruction_pointer())?;
        Arch::describe_registers(frame, out)
    }
}
