//! What handlers have in common: the ends that they bring are run, and the frame to return through is chosen. Fast paths by which
//! nothing can end leave without it.

use crate::arch::Frame;
use crate::cpu::{self, ThisCpu};
use crate::sched::{self, Next};

/// Handles a trap and answers the frame to return through: the same one, another thread's, or the idle one.
///
/// Inlined into the architecture's handlers, one for each kind of trap: each is this function with the handler filled in.
#[inline(always)]
pub fn trap_main(frame: &mut Frame, handler: impl FnOnce(&ThisCpu, &mut Frame) -> Next) -> *const Frame {
    let cpu = cpu::this();
    let next = handler(&cpu, frame);
    conclude(&cpu, frame, next)
}

/// The end of the road: runs the ends that the handler has brought, and answers the frame to return through.
#[inline(always)]
pub fn conclude(cpu: &ThisCpu, frame: *const Frame, next: Next) -> *const Frame {
    // Each answer by itself: where a handler's is known, so is what follows.
    match next {
        Next::Choose => sched::pick(cpu),
        Next::Stay if !sched::anything_ends(cpu) => frame,
        Next::Switched if !sched::anything_ends(cpu) => current_frame(cpu),
        Next::Stay | Next::Switched => conclude_after_ends(cpu, frame, next),
    }
}

/// The same where something ends. The running thread may be gone with it.
#[cold]
#[inline(never)]
fn conclude_after_ends(cpu: &ThisCpu, frame: *const Frame, next: Next) -> *const Frame {
    sched::run_ends(cpu);
    match next {
        Next::Stay if cpu.current().is_some() => frame,
        Next::Switched if cpu.current().is_some() => current_frame(cpu),
        _ => sched::pick(cpu),
    }
}

/// [`trap_main`] for a handler by which nothing can end, so that nothing is looked at behind it.
#[inline(always)]
pub fn trap_main_without_ends(frame: &mut Frame, handler: impl FnOnce(&mut Frame)) -> *const Frame {
    handler(frame);
    frame
}

/// The frame of the thread that the CPU was switched to.
#[inline(always)]
fn current_frame(cpu: &ThisCpu) -> *const Frame {
    let Some(thread) = cpu.current() else { unreachable!("a CPU that was switched to a thread runs one") };
    thread.frame_pointer()
}

/// An idle CPU looks into its run queue after every interrupt: what was done for others may have made somebody ready
/// there, at any depth.
#[inline(always)]
pub fn look_when_idle(cpu: &ThisCpu, next: Next) -> Next {
    if cpu.current().is_none() { Next::Choose } else { next }
}

/// The frame to return through after an interrupt that asked for no choice: the one that was interrupted, or on an idle
/// CPU the idle one. `None`: the CPU idled, and somebody is ready now.
#[inline(always)]
pub fn go_on(cpu: &ThisCpu, frame: *const Frame) -> Option<*const Frame> {
    if cpu.current_pointer().is_null() { sched::idle_on(cpu) } else { Some(frame) }
}
