//! A breakpoint that no debugger takes: the thread is paused, everything else of its program runs on.

use super::fault::{FaultReport, user_fault};
use crate::arch::{Frame, TrapInfo};
use crate::console;
use crate::cpu::ThisCpu;
use crate::life;
use crate::sched::Next;

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
    life::pause_current(cpu).unwrap_or_else(|| user_fault(cpu, info, frame))
}
