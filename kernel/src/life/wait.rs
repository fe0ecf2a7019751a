//! Waiting for a program to end.

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use gatehouse_abi::{Error, ProgramEnd};

use crate::arch::TrapFrame as _;
use crate::clock;
use crate::cpu::ThisCpu;
use crate::program::Program;
use crate::sched;
use crate::thread::Thread;

/// What came of asking.
#[derive(Debug)]
pub enum Waited {
    /// A program has ended. [`told`] or [`not_told`] is to follow.
    Ended(ProgramEnd),
    /// No program is left that could end, or another thread of the caller waits already.
    Nothing,
    /// The running thread was taken off the CPU and waits. It will make its system call again.
    Waits,
}

/// Tells the running thread of a program that ended, or makes it wait, at most so many nanoseconds (`u64::MAX`: for ever).
pub fn wait_for_child(cpu: &ThisCpu, program: &Arc<Program>, nanoseconds: u64) -> Waited {
    let mut life = program.life();
    if let Some(end) = life.ended.pop_front() {
        life.being_told += 1;
        return Waited::Ended(end);
    }
    // Of a program that is ending nobody takes the waiter away any more: the thread goes on to meet its end.
    if life.end.is_some() || life.children == 0 || life.waiter.is_some() || nanoseconds == 0 {
        return Waited::Nothing;
    }
    let thread = match nanoseconds {
        u64::MAX => sched::detach_current(cpu),
        _ => sched::wait_until(cpu, clock::moment_after(nanoseconds)),
    };
    let Some(thread) = thread else { return Waited::Nothing };
    thread.waits_for_program().set(true);
    life.waiter = Some(thread);
    Waited::Waits
}

/// The program has been told of what [`Waited::Ended`] gave.
pub fn told(program: &Program) {
    let mut life = program.life();
    life.being_told -= 1;
    if life.ended.is_empty() && life.children == 0 && life.being_told == 0 {
        life.ended = VecDeque::new();
    }
}

/// The program could not be told of what [`Waited::Ended`] gave: it is kept for the next who asks.
pub fn not_told(program: &Program, end: ProgramEnd) {
    let mut life = program.life();
    life.being_told -= 1;
    #[expect(clippy::disallowed_methods, reason = "room is kept for whoever is being told")]
    life.ended.push_front(end);
}

/// Makes a thread stop waiting; `false` if somebody else has it by now and is waking it.
#[must_use]
pub fn stop_waiting(thread: &Thread) -> bool {
    let mut life = thread.program().life();
    if life.waiter.as_ref().is_some_and(|waiter| waiter.number() == thread.number()) {
        life.waiter = None;
        return true;
    }
    false
}

/// Ends the wait of a thread whose time is over, and with it the call that the thread was going to make again: it has no result.
/// `false` if somebody else has the thread by now and is waking it.
#[must_use]
pub fn time_out(thread: &Thread) -> bool {
    if !stop_waiting(thread) {
        return false;
    }
    // SAFETY: the thread is off every CPU, and the caller has just become its owner.
    let frame = unsafe { &mut *thread.frame_pointer() };
    frame.finish_system_call();
    frame.set_system_call_result(Error::NothingToWaitFor.to_register());
    true
}
