//! Stopping single threads from outside, and letting them go on.
//!
//! A thread that is to stop has a flag. Threads that are ready stop at once: their CPU is asked to look. Threads that wait
//! go on waiting, and stop when the wait is over, because nobody is made ready with the flag set. A stopped thread is in
//! its program's list of suspended ones; flag and list change under the lock of the program's life.

use alloc::boxed::Box;
use alloc::sync::Arc;

use gatehouse_abi::Error;
use smp::ipi::Kind;

use super::placement::spread;
use super::{Next, detach_current, poke, start};
use crate::cpu::{self, ThisCpu};
use crate::program;
use crate::thread::{Affinity, Thread, ThreadList};

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
    let suspension = thread.suspension();
    {
        let life = thread.program().life();
        if life.end.is_some() {
            return Err(Error::Gone);
        }
        if life.suspended.find(thread.number()).is_some() {
            return Ok(Suspended::Stopped(Next::Stay));
        }
        if thread.attention().is_stop_wanted() {
            let (on, round) = suspension.asked();
            let over = on == cpu.index()
                || cpu::by_index(on).is_none_or(|block| block.kernel().remote().parking().is_done(round));
            return Ok(if over { Suspended::Stopped(Next::Stay) } else { Suspended::NotYet });
        }
        // Before the look at its CPU: where it arrives later, it is seen.
        thread.attention().want_stop(true);
        let on = thread.cpu();
        if on == cpu.index() {
            suspension.ask(on, 0);
        } else if let Some(block) = cpu::by_index(on) {
            suspension.ask(on, block.kernel().remote().ask_to_park());
            poke(cpu, block, Kind::Reschedule);
            return Ok(Suspended::NotYet);
        }
    }
    Ok(Suspended::Stopped(park_ready(cpu)))
}

/// Says on which CPUs a thread may run. One that is ready or runs where it may not any more leaves as soon as its CPU has
/// heard of it.
pub fn set_affinity(cpu: &ThisCpu, thread: &Thread, affinity: Box<Affinity>) -> Next {
    thread.set_affinity(affinity);
    // Only now: where it arrives later, it is seen.
    let on = thread.cpu();
    if on == cpu.index() {
        return park_ready(cpu);
    }
    if let Some(block) = cpu::by_index(on) {
        // Nobody waits for the round.
        let _round = block.kernel().remote().ask_to_park();
        poke(cpu, block, Kind::Reschedule);
    }
    Next::Stay
}

/// Parks the threads of this CPU that are to stop and are ready to run, or run; sends away those that may not be here, and those
/// that need not and can run elsewhere at once.
pub fn park_ready(cpu: &ThisCpu) -> Next {
    let mut stopped = ThreadList::default();
    let wanted = |thread: &Thread| thread.attention().is_stop_wanted() || thread.attention().is_misplaced();
    cpu.local().run_queue.take_matching(wanted, |thread| stopped.put(thread));
    let mut next = Next::Stay;
    if cpu.current().is_some_and(wanted) {
        detach_current(cpu).into_iter().for_each(|thread| stopped.put(thread));
        next = Next::Choose;
    }
    while let Some(thread) = stopped.take_first() {
        let stops = thread.attention().is_stop_wanted();
        next = next.and(if stops { park(cpu, thread) } else { start(cpu, thread) });
    }
    spread(cpu);
    next
}

/// Puts a thread that is off every CPU and list, and was to stop, where it waits to be resumed.
pub(super) fn park(cpu: &ThisCpu, thread: Arc<Thread>) -> Next {
    let program = Arc::clone(thread.program());
    let mut life = program.life();
    if life.end.is_some() {
        drop(life);
        program::thread_gone(cpu, thread);
        return Next::Stay;
    }
    if !thread.attention().is_stop_wanted() {
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
        if found.is_none() && !thread.attention().is_stop_wanted() {
            return Err(Error::WrongState);
        }
        thread.attention().want_stop(false);
        found
    };
    Ok(waiting.map_or(Next::Stay, |waiting| super::wake(cpu, waiting)))
}
