//! A breakpoint that no debugger takes: the thread is paused, everything else of its program runs on.

use core::fmt;

use super::fault::{FaultReport, user_fault};
use super::{ArchTrap, TrapFrame, TrapInfo};
use crate::arch::{Arch, Frame};
use crate::console;
use crate::cpu::ThisCpu;
use crate::program;
use crate::sched::Next;
use crate::thread::Thread;

/// Pauses the running thread, whose frame this is and whose fault handler could not take the breakpoint, until
/// ClearBreakpoint, SetFaultHandler or the end of its program.
///
/// Who could clear the breakpoints of the first program is the first program. Its last thread that is not paused is
/// not paused either: it would be the machine's silent end. That breakpoint is a fault like others.
#[cold]
#[inline(never)]
pub(super) fn pause(cpu: &ThisCpu, info: &TrapInfo, frame: &Frame) -> Next {
    let Some(thread) = cpu.current() else { unreachable!("a trap from user space interrupted a thread") };
    let program = thread.program();
    if !program.is_quiet() {
        let report = FaultReport {
            program: program.name(),
            program_number: program.number(),
            thread: thread.number(),
            cpu: u64::from(cpu.index().get()),
            info,
            frame,
        };
        console::line(format_args!("breakpoint: {report}"));
    }
    program::pause_current(cpu).unwrap_or_else(|| user_fault(cpu, info, frame))
}

/// The one line that tells of a thread whose debugger went away.
#[derive(Debug)]
pub struct LeftPaused<'thread>(pub &'thread Thread);

impl fmt::Display for LeftPaused<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (thread, program) = (self.0, self.0.program());
        // SAFETY: the thread waited for its debugger and belongs to whoever ends that wait, who shows it.
        let frame = unsafe { &*thread.frame_pointer() };
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
