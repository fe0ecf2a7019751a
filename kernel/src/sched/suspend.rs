//! Stopping single threads from outside, and letting them go on.
//!
//! A thread that is to stop has a flag. Threads that are ready stop at once: their CPU is asked to look at them, and takes each out of
//! its run queue by the thread's own link. Threads that wait go on waiting, and stop when the wait is over, because nobody is made ready with the flag set. A stopped thread is in
//! its program's list of suspended ones; flag and list change under the lock of the program's life.

use alloc::boxed::Box;
use alloc::sync::Arc;

use gatehouse_abi::Error;
use gatehouse_core::sched::Affinity;
use smp::ipi::Kind;

use super::per_cpu::{REQUESTS, RUN_QUEUE};
use super::placement::let_leave;
use super::registered::thread_gone;
use super::work::Worker;
use super::{Next, detach_current, start};
use crate::cpu::{self, ThisCpu};
use crate::ipi::kick;
use crate::ipi::{ATTEND, PENDING_WORK};
use crate::thread::Thread;

/// How far the thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspended {
    /// It executes nothing any more until it is resumed.
    Stopped(Next),
    /// Another CPU was asked to stop it, and has not answered yet.
    NotYet,
}

/// Makes a thread stop. To be called again until it has.
///
/// # Errors
/// [`Error::Gone`] if its program is ending.
pub fn suspend(cpu: &ThisCpu, thread: &Arc<Thread>) -> Result<Suspended, Error> {
    // Without the lock, which the CPU that is waited for needs to stop it. Both were written under it, and this is asked again.
    if thread.flags().is_stop_wanted() && !thread.look_request().is_over() {
        return Ok(Suspended::NotYet);
    }
    {
        let life = thread.program().life();
        if life.end.is_some() {
            return Err(Error::Gone);
        }
        if life.suspended.find(thread.number()).is_some() {
            return Ok(Suspended::Stopped(Next::Stay));
        }
        if thread.flags().is_stop_wanted() {
            let over = thread.look_request().is_over();
            return Ok(if over { Suspended::Stopped(Next::Stay) } else { Suspended::NotYet });
        }
        // Before the look at its CPU: where it arrives later, it is seen.
        thread.flags().want_stop(true);
        if thread.cpu() != cpu.index() {
            ask_for_look(cpu, thread);
            return Ok(Suspended::NotYet);
        }
    }
    Ok(Suspended::Stopped(look(cpu, thread)))
}

/// Says on which CPUs a thread may run. One that is ready or runs where it may not any more leaves as soon as its CPU has
/// heard of it.
pub fn set_affinity(cpu: &ThisCpu, thread: &Arc<Thread>, affinity: Box<Affinity>) -> Next {
    thread.set_affinity(affinity);
    if thread.flags().is_pinned() {
        // It stays where it is.
        return Next::Stay;
    }
    // Only now: where it arrives later, it is seen.
    if thread.cpu() == cpu.index() {
        return look(cpu, thread);
    }
    ask_for_look(cpu, thread);
    Next::Stay
}

/// Asks the CPU that a thread belongs to, another one, to look at it: for the running thread, and at its priority.
fn ask_for_look(cpu: &ThisCpu, thread: &Arc<Thread>) {
    ask_for_look_at(cpu, thread, super::work::own_priority(cpu));
}

fn ask_for_look_at(cpu: &ThisCpu, thread: &Arc<Thread>, priority: u8) {
    let Some(block) = cpu::by_index(thread.cpu()) else { unreachable!("threads belong to CPUs that are online") };
    let requests = REQUESTS.of(block);
    if thread.look_request().ask() {
        requests.attended().put(priority, Arc::clone(thread));
    }
    PENDING_WORK.of(block).ask(ATTEND);
    if requests.is_interrupted_for(priority) {
        kick(cpu, block, Kind::Reschedule);
    }
}

/// Looks at threads of this CPU for others that have asked for it, as many as may be now.
pub fn attend_others(cpu: &ThisCpu) -> Next {
    let requests = REQUESTS.of(cpu);
    let mut worker = Worker::new(cpu);
    let mut next = Next::Stay;
    while let Some(floor) = worker.floor() {
        let Some((priority, thread)) = requests.attended().take(floor) else { return next };
        worker.spend(priority);
        next = next.and(look_for_others(cpu, &thread, priority));
    }
    // The rest comes in the next interrupt.
    PENDING_WORK.of(cpu).ask(ATTEND);
    kick(cpu, cpu.cpu(), Kind::Reschedule);
    next
}

fn look_for_others(cpu: &ThisCpu, thread: &Arc<Thread>, priority: u8) -> Next {
    let request = thread.look_request();
    request.begin();
    if thread.cpu() != cpu.index() {
        // It went on, with what it was to be looked at for; where it arrived it may have been too early for that.
        if thread.flags().may_run_at_home() {
            request.end();
        } else {
            ask_for_look_at(cpu, thread, priority);
        }
        return Next::Stay;
    }
    let next = look(cpu, thread);
    request.end();
    next
}

/// Looks at a thread of this CPU that may have to stop or to leave, or that may run elsewhere at once. One that waits, or is on its
/// way here, is looked at when it becomes ready.
fn look(cpu: &ThisCpu, thread: &Thread) -> Next {
    let stops = thread.flags().is_stop_wanted();
    if !stops && !thread.flags().is_misplaced() {
        let_leave(cpu, thread);
        return Next::Stay;
    }
    let runs = core::ptr::eq(cpu.current_pointer(), thread);
    let taken = if runs { detach_current(cpu) } else { RUN_QUEUE.of(cpu).remove(thread) };
    let Some(taken) = taken else { return Next::Stay };
    let next = if stops { park(cpu, taken) } else { start(cpu, taken) };
    if runs { Next::Choose } else { next }
}

/// Puts a thread that is off every CPU and list, and was to stop, where it waits to be resumed.
pub(super) fn park(cpu: &ThisCpu, thread: Arc<Thread>) -> Next {
    let program = Arc::clone(thread.program());
    let mut life = program.life();
    if life.end.is_some() {
        drop(life);
        thread_gone(cpu, thread);
        return Next::Stay;
    }
    if !thread.flags().is_stop_wanted() {
        drop(life);
        return start(cpu, thread);
    }
    life.suspended.put(thread);
    Next::Stay
}

/// Lets a thread go on, or never stop if it has not yet.
///
/// # Errors
/// [`Error::WrongState`] if nobody suspended it; [`Error::Gone`] if its program is ending.
pub fn resume(cpu: &ThisCpu, thread: &Thread) -> Result<Next, Error> {
    let waiting = {
        let mut life = thread.program().life();
        if life.end.is_some() {
            return Err(Error::Gone);
        }
        let found = life.suspended.take(thread.number());
        if found.is_none() && !thread.flags().is_stop_wanted() {
            return Err(Error::WrongState);
        }
        thread.flags().want_stop(false);
        found
    };
    Ok(waiting.map_or(Next::Stay, |waiting| let_go_on(cpu, waiting)))
}

/// Makes a thread ready that was suspended. One that can go on only on another CPU may be stopped again before it has run: so that CPU
/// is not interrupted for it while it does no more for threads of that priority.
fn let_go_on(cpu: &ThisCpu, thread: Arc<Thread>) -> Next {
    if thread.cpu() == cpu.index() || thread.flags().may_leave_home() {
        return super::wake(cpu, thread);
    }
    let Some(block) = cpu::by_index(thread.cpu()) else { unreachable!("threads belong to CPUs that are online") };
    let (requests, priority) = (REQUESTS.of(block), thread.priority());
    requests.put(thread);
    if requests.is_interrupted_for(priority) {
        kick(cpu, block, Kind::Reschedule);
    }
    Next::Stay
}
