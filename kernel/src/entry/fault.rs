//! A program's fault that nobody handles: the program is shut down, everything else runs on.

use core::fmt;

use gatehouse_abi::{EndCause, ProgramEnd};

use crate::arch::{Arch, ArchTrap, Frame, TrapFrame, TrapInfo, faulting_instruction_address, trap_address};
use crate::console;
use crate::cpu::ThisCpu;
use crate::life;
use crate::sched::Next;

/// What the one line says that tells of a fault.
#[derive(Debug)]
pub struct FaultReport<'fault> {
    /// The program's name.
    pub program: &'fault str,
    /// The program's number.
    pub program_number: u64,
    /// The thread's number.
    pub thread: u64,
    /// The CPU.
    pub cpu: u64,
    /// The trap.
    pub info: &'fault TrapInfo,
    /// The saved context.
    pub frame: &'fault Frame,
}

impl fmt::Display for FaultReport<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "program={} ({}) thread={} cpu={} trap={:?} cause=\"",
            self.program, self.program_number, self.thread, self.cpu, self.info.number
        )?;
        Arch::describe_cause(self.info, self.frame, out)?;
        write!(out, "\" address={:#x} ", trap_address(self.info, faulting_instruction_address(self.frame)))?;
        Arch::describe_registers(self.frame, out)
    }
}

/// Shuts down the program of the running thread, whose frame this is.
pub(super) fn user_fault(cpu: &ThisCpu, info: &TrapInfo, frame: &Frame) -> Next {
    let thread = cpu.current().expect("a trap from user space interrupted a thread");
    let program = thread.program();
    let number = u64::from(cpu.index().get());
    if !program.is_quiet() {
        let report = FaultReport {
            program: program.name(),
            program_number: program.number(),
            thread: thread.number(),
            cpu: number,
            info,
            frame,
        };
        console::line(format_args!("fault: {report}"));
    }
    let end = ProgramEnd {
        program: program.number(),
        cause: EndCause::Trap as u64,
        status: 0,
        trap: info.number.to_bits(),
        vector: info.vector,
        error_code: Arch::error_code(frame),
        address: trap_address(info, faulting_instruction_address(frame)),
        instruction_pointer: faulting_instruction_address(frame),
        stack_pointer: frame.stack_pointer(),
        thread: thread.number(),
        cpu: number,
    };
    life::end_current(cpu, end)
}
