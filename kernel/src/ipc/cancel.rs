//! Getting threads out of waits that will not end by themselves.
//!
//! Rare, so one global lock serves: it keeps whatever a thread has a [`Link`](super::link::Link) to from going away while
//! somebody looks. Whoever frees such a thing takes the lock first.

use alloc::sync::Arc;
use core::sync::atomic::{Ordering, fence};

use gatehouse_abi::Error;
use gatehouse_core::intrusive::{Stable, take_client};
use intrusive_collections::LinkedList;

use super::breakpoint::leave_paused;
use super::endpoint::Endpoint;
use crate::arch::TrapFrame as _;
use crate::cpu::ThisCpu;
use crate::program::{self, EndingAdapter, Program};
use crate::sched;
use crate::sync::{Mutex, MutexGuard, rank};
use crate::thread::{OffCpu, Thread, ThreadList, Wait};

/// Held while links from waiting threads to what they wait for are followed.
static CANCEL: Mutex<(), rank::Cancel> = Mutex::new(());

/// The lock, and with it the proof that links can be followed.
pub(super) struct Waits {
    _held: MutexGuard<'static, (), rank::Cancel>,
}

// SAFETY: endpoints, notifications, saved replies and servers take the lock before they go: see their `Linked`.
unsafe impl Stable for Waits {}

/// Keeps everything that a waiting thread has a link to from going, until the answer is dropped.
#[must_use]
pub(super) fn hold_waits() -> Waits {
    Waits { _held: CANCEL.lock() }
}

/// Programs that are ending and still have threads.
static ENDING: Mutex<LinkedList<EndingAdapter>, rank::Ending> = Mutex::new(LinkedList::new(EndingAdapter::NEW));

/// Takes every thread of an ending program out of its wait, if it is in one, and ends it. A thread that is about to wait, on
/// another CPU, is taken by [`cancel_again`] there.
pub fn cancel(cpu: &ThisCpu, program: &Arc<Program>) {
    ENDING.lock().push_back(Arc::clone(program));
    if program.life().threads.is_empty() {
        // Its last thread went before it was noted, and nobody will say so again.
        cancelled(program);
    }
    cancel_blocked_threads(cpu, program);
}

/// The program has no threads any more.
pub fn cancelled(program: &Program) {
    // Dropped behind the lock.
    let _program = {
        let mut ending = ENDING.lock();
        let mut cursor = ending.front_mut();
        while cursor.get().is_some_and(|other| !core::ptr::eq(other, program)) {
            cursor.move_next();
        }
        cursor.remove()
    };
}

/// The same for all programs that are ending, on a CPU that is asked to look for their threads: by now a thread that was
/// running here when the end was decided has gone on, or waits where it can be found. So no way into a wait has to ask
/// whether the thread's program is ending.
pub fn cancel_again(cpu: &ThisCpu) {
    let mut waiting = ThreadList::default();
    // No reference to a program outlives the lock: one that is gone must not be kept by somebody who only looks.
    ENDING.lock().iter().for_each(|program| take_all_out(program, &mut waiting));
    end_all(cpu, waiting);
}

fn cancel_blocked_threads(cpu: &ThisCpu, program: &Program) {
    let mut waiting = ThreadList::default();
    take_all_out(program, &mut waiting);
    end_all(cpu, waiting);
}

fn end_all(cpu: &ThisCpu, mut threads: ThreadList) {
    while let Some(thread) = threads.take_first() {
        program::thread_gone(cpu, thread);
    }
}

/// The owners of all threads of the program that wait for a message or a reply.
fn take_all_out(program: &Program, waiting: &mut ThreadList) {
    // From the last to the first: none is added any more, and into the place of one that goes meanwhile comes the last, which
    // has been looked at.
    let mut left = usize::MAX;
    loop {
        let thread = {
            let life = program.life();
            left = left.min(life.threads.len());
            let Some(index) = left.checked_sub(1) else { return };
            left = index;
            life.threads[index].1.upgrade()
        };
        let Some(thread) = thread else { continue };
        let taken = take_out(&thread);
        // The list's reference goes first, so that the owner is the last one.
        drop(thread);
        taken.into_iter().for_each(|thread| waiting.put(thread));
    }
}

/// The owner of a thread that waits for a message or a reply; `None` if it does not, or somebody has just ended the wait, or has
/// the thread in hands to let it wait elsewhere, and calls [`honour_marks`] when it does.
pub(super) fn take_out(thread: &Thread) -> Option<Arc<Thread>> {
    take_out_stable(thread, &hold_waits())
}

/// The same for a thread whose deadline has come, if it is still in the wait that the deadline limits. That is asked under the lock:
/// before, the thread may go on to another wait between the question and the taking.
pub(super) fn take_out_overdue(thread: &Thread) -> Option<Arc<Thread>> {
    let waits = hold_waits();
    if !thread.flags().is_overdue() {
        return None;
    }
    take_out_stable(thread, &waits)
}

fn take_out_stable(thread: &Thread, waits: &Waits) -> Option<Arc<Thread>> {
    if let Some(endpoint) = thread.endpoint().follow(waits) {
        // For a thread that is in no queue any more, the queue's lock tells.
        let removed = endpoint.remove(thread);
        if removed.is_some() {
            return removed;
        }
    }
    if let Some(notification) = thread.notification().follow(waits) {
        let removed = notification.remove(thread);
        if removed.is_some() {
            return removed;
        }
    }
    if let Some(saved) = thread.saved_reply().follow(waits) {
        return saved.take_stable(waits);
    }
    take_client(thread, waits)
}

/// To be called with a thread that was in the caller's hands between two waits, once it is in the second: for that time nobody
/// found it. Whoever ends its program, and a deadline that came meanwhile, have left a mark before they looked for it; whichever
/// of the two comes second, mark or wait, is seen by the other.
pub(super) fn honour_marks(cpu: &ThisCpu, thread: Arc<Thread>) {
    fence(Ordering::SeqCst);
    let ends = thread.program().is_ending();
    if !ends && !thread.flags().is_overdue() {
        return;
    }
    let taken = if ends { take_out(&thread) } else { take_out_overdue(&thread) };
    // The owner is to be the last reference.
    drop(thread);
    match taken {
        Some(thread) if ends => program::thread_gone(cpu, thread),
        Some(thread) => program::end_unanswered(cpu, thread),
        None => {}
    }
}

/// Looks at the thread that the running `server` owes a reply: nobody can take it meanwhile.
pub fn inspect_client<R>(server: &Thread, look: impl FnOnce(OffCpu<'_>) -> R) -> Option<R> {
    let _waits = hold_waits();
    // SAFETY: besides the server itself, which runs this, clients are taken only with the lock held.
    let client = unsafe { server.reply_right().client().as_ref() };
    // SAFETY: the same, and it waits for the reply.
    client.map(|client| look(unsafe { OffCpu::new(client) }))
}

/// A server's thread is going: whoever waits for its reply waits no longer.
pub fn release_clients(cpu: &ThisCpu, server: &Thread) {
    let client = {
        // Held also where there is none: somebody may be following the link of one that has just been taken.
        let _waits = hold_waits();
        server.reply_right().take()
    };
    if let Some(client) = client {
        abandon(cpu, client);
    }
}

/// The last capability of an endpoint is gone: nobody waits there any more.
pub(super) fn close(cpu: &ThisCpu, endpoint: &Endpoint) {
    let mut waiting = ThreadList::default();
    {
        let _waits = hold_waits();
        endpoint.queues.lock().close(|thread| waiting.put(thread));
    }
    while let Some(thread) = waiting.take_first() {
        abandon(cpu, thread);
    }
}

/// Ends the wait of a thread that nobody will answer: a breakpoint becomes one without a debugger, a fault that nobody
/// handles shuts its program down, any other wait ends with an error.
pub(super) fn abandon(cpu: &ThisCpu, thread: Arc<Thread>) {
    // SAFETY: it waited, and the caller has taken it from where it did.
    let mut off_cpu = unsafe { OffCpu::new(&thread) };
    match thread.wait() {
        Wait::ToSendFault | Wait::ForFaultReply if off_cpu.breakpoint().is_some() => leave_paused(cpu, thread),
        Wait::ToSendFault | Wait::ForFaultReply => program::end_waiting(cpu, thread),
        _ => {
            off_cpu.frame_mut().set_system_call_result(Error::Gone.to_register());
            thread.set_wait(Wait::Nothing);
            let _woken = sched::wake(cpu, thread);
        }
    }
}
