//! Getting threads out of waits that will not end by themselves.
//!
//! Rare, so one global lock serves: it keeps an endpoint that a thread points to, or a server that owes it a reply, from
//! going away while somebody looks. Whoever frees either takes the lock first.

use alloc::sync::Arc;
use alloc::vec::Vec;

use gatehouse_abi::Error;
use spin::Mutex;

use super::endpoint::Endpoint;
use crate::cpu::ThisCpu;
use crate::program::{self, Program};
use crate::sched;
use crate::thread::{Thread, Wait};
use crate::trap::TrapFrame as _;

/// Held while pointers from waiting threads to what they wait for are followed.
static CANCEL: Mutex<()> = Mutex::new(());

/// Takes every thread of an ending program out of its wait, if it is in one, and ends it.
pub fn cancel_blocked_threads(cpu: &ThisCpu, program: &Arc<Program>) {
    let threads: Vec<Arc<Thread>> = program.life().threads.iter().filter_map(|(_, thread)| thread.upgrade()).collect();
    for thread in threads {
        let waiting = take_out(&thread);
        // The list's reference goes first, so that the owner is the last one.
        drop(thread);
        if let Some(waiting) = waiting {
            program::thread_gone(cpu, waiting);
        }
    }
}

/// The owner of a thread that waits for a message or a reply; `None` if it does not, or somebody has just ended the wait.
fn take_out(thread: &Thread) -> Option<Arc<Thread>> {
    let _stable = CANCEL.lock();
    if let Some(endpoint) = thread.endpoint() {
        // SAFETY: an endpoint takes the lock held here before it goes, and empties its queues, so one that a queued
        // thread points to is alive. For a thread that is in no queue any more, the queue's lock tells.
        let endpoint: &Endpoint = unsafe { &*endpoint };
        let mut queues = endpoint.queues.lock();
        let queues = &mut *queues;
        for list in [&mut queues.senders, &mut queues.receivers] {
            let mut cursor = list.front_mut();
            while let Some(other) = cursor.get() {
                if core::ptr::eq(other, thread) {
                    thread.clear_endpoint();
                    return cursor.remove();
                }
                cursor.move_next();
            }
        }
    }
    let server = thread.server()?;
    // SAFETY: a server takes the lock held here, and gives up its clients, before it goes.
    unsafe { &*server }.take_this_client(thread)
}

/// A server's thread is going: whoever waits for its reply waits no longer.
pub fn release_clients(cpu: &ThisCpu, server: &Thread) {
    let client = {
        let _stable = CANCEL.lock();
        server.take_client().inspect(|client| client.clear_server())
    };
    if let Some(client) = client {
        abandon(cpu, client);
    }
}

/// The last capability of an endpoint is gone: nobody waits there any more.
pub fn close(cpu: &ThisCpu, endpoint: &Endpoint) {
    let mut waiting = Vec::new();
    {
        let _stable = CANCEL.lock();
        let mut queues = endpoint.queues.lock();
        queues.open = false;
        while let Some(thread) = queues.senders.pop_front() {
            thread.clear_endpoint();
            waiting.push(thread);
        }
        while let Some(thread) = queues.receivers.pop_front() {
            thread.clear_endpoint();
            waiting.push(thread);
        }
    }
    waiting.into_iter().for_each(|thread| abandon(cpu, thread));
}

/// Ends the wait of a thread that nobody will answer: a fault that nobody handles shuts its program down, any other
/// wait ends with an error.
pub(super) fn abandon(cpu: &ThisCpu, thread: Arc<Thread>) {
    match thread.wait() {
        Wait::ToSendFault | Wait::ForFaultReply => program::end_waiting(cpu, thread),
        _ => {
            // SAFETY: the thread waited, so it is off every CPU, and this is its owner now.
            unsafe { &mut *thread.frame_pointer() }.set_system_call_result(Error::Gone.to_register());
            thread.set_wait(Wait::Nothing);
            let _woken = sched::wake(cpu, thread);
        }
    }
}
