//! Debuggees of each kind, and what is asked of them.

use gatehouse_runtime::Kernel;
use gatehouse_runtime::abi::{EndCause, ProgramEnd, ThreadInformation, ThreadState};
use gatehouse_runtime::memory::PAGE_SIZE;
use gatehouse_runtime::time::wait_until;
use programs::raw::debugger::{
    Debuggee, Debugger, INT3, Register, Stop, list_threads, patch_memory, read_registers, write_registers,
};
use programs::raw::message::{Utcb, delete_capability, first_utcb, map_into, resume_thread, spawn_suspended};
use programs::{DEBUGGEE_INCREMENT, DEBUGGEE_INCREMENT_BYTE, DEBUGGEE_TURNS, DEBUGGEE_VARIABLE, SURVIVED, check};

use crate::PATIENCE;

pub(crate) fn utcb() -> Utcb {
    // SAFETY: only the first thread asks.
    unsafe { first_utcb() }
}

pub(crate) fn new_debugger() -> Debugger {
    let debugger = Debugger::new(utcb());
    let Ok(debugger) = debugger else { programs::wrong(file!(), format_args!("no debugger: {debugger:?}")) };
    debugger
}

/// A debuggee that does not run yet, with its variable mapped.
pub(crate) fn start(debugger: &Debugger, cpu: u64) -> Debuggee<'_> {
    let debuggee = debugger.start("debuggee", 0, cpu);
    let Ok(debuggee) = debuggee else { programs::wrong(file!(), format_args!("no debuggee: {debuggee:?}")) };
    let mapped = map_into(debuggee.program().slot().number(), DEBUGGEE_VARIABLE, PAGE_SIZE);
    check!(mapped.is_ok(), "not mapped: {mapped:?}");
    debuggee
}

/// The next stop, of that debuggee.
pub(crate) fn next(debugger: &Debugger, debuggee: &Debuggee<'_>, cpu: u64) -> Stop {
    let stop = debugger.wait();
    let Ok(stop) = stop else { programs::wrong(file!(), format_args!("no stop: {stop:?}")) };
    check!(stop.badge() == debuggee.number() && stop.fault().cpu == cpu, "{stop:x?}");
    stop
}

pub(crate) fn end() -> ProgramEnd {
    match Kernel::wait_program(PATIENCE) {
        Ok(Some(end)) => end,
        other => programs::wrong(file!(), format_args!("the debuggee does not end: {other:?}")),
    }
}

pub(crate) fn survived() {
    let end = end();
    check!(end.cause == EndCause::Exited as u64 && end.status == SURVIVED, "{end:x?}");
}

/// Checks that the stopped thread is in that turn of its loop, and answers its registers' RAX.
pub(crate) fn in_turn(stop: &Stop, debuggee: &Debuggee<'_>, turns: u64, written: u64) {
    let registers = stop.registers();
    let Ok(registers) = registers else { programs::wrong(file!(), format_args!("no registers: {registers:?}")) };
    let (rax, rcx) = (registers.general[Register::Rax as usize], registers.general[Register::Rcx as usize]);
    check!(rax == turns, "RAX is {rax} in turn {turns}: {stop:x?}");
    check!(rcx == DEBUGGEE_TURNS - written.min(turns), "RCX is {rcx} in turn {turns}: {stop:x?}");
    check!(registers.general[Register::Rdi as usize] == DEBUGGEE_VARIABLE, "{registers:x?}");
    let variable = debuggee.read_word(DEBUGGEE_VARIABLE);
    check!(variable == Ok(written), "the variable is {variable:?} in turn {turns}");
}

/// The turns that instruction breakpoints stop at.
///
/// QEMU's TCG sets RFLAGS.RF in what any interrupt from outside pushes, so that a thread which is interrupted right before such an
/// instruction does not stop there when it goes on. Processors do not ("Instruction-Breakpoint Exception Condition" in Intel SDM
/// volume 3), and the kernel cannot tell that bit from one that was set before. So as many stops may be left out as there were
/// interrupts.
pub(crate) struct StoppedTurns {
    cpu: u64,
    expected: u64,
    interrupts: u64,
}

impl StoppedTurns {
    /// The thread on that CPU has not come to the loop yet.
    pub(crate) fn new(cpu: u64) -> Self {
        Self { cpu, expected: 0, interrupts: interrupts(cpu) }
    }

    /// It stopped in that turn.
    pub(crate) fn stopped(&mut self, turn: u64) {
        let now = interrupts(self.cpu);
        let (expected, since) = (self.expected, now - self.interrupts);
        check!(
            (expected..=expected + since).contains(&turn),
            "stopped in turn {turn}, expected {expected}, and {since} interrupts"
        );
        (self.expected, self.interrupts) = (turn + 1, now);
    }
}

/// How many interrupts from outside that CPU has had.
fn interrupts(cpu: u64) -> u64 {
    const NMI: usize = 2;
    match Kernel::cpu_information(cpu) {
        Ok(cpu) => cpu.timer + cpu.ipi + cpu.device + cpu.spurious + cpu.exceptions[NMI],
        Err(error) => programs::wrong(file!(), format_args!("no CPU {cpu}: {error:?}")),
    }
}

/// A program without a handler that stands at an `int3` in its loop.
pub(crate) fn paused(cpu: u64) -> (u64, u64) {
    let child = spawn_suspended("debuggee", 0, cpu, &utcb());
    let Ok(child) = child else { programs::wrong(file!(), format_args!("no child: {child:?}")) };
    check!(map_into(child.program, DEBUGGEE_VARIABLE, PAGE_SIZE).is_ok(), "not mapped");
    check!(patch_memory(child.program, DEBUGGEE_INCREMENT, &[INT3]).is_ok(), "not patched");
    check!(resume_thread(child.thread).is_ok(), "not resumed");
    check!(wait_until(PATIENCE, || is_paused(child.program)), "the thread is not paused");
    (child.program, child.thread)
}

pub(crate) fn is_paused(program: u64) -> bool {
    is_in(program, ThreadState::Paused)
}

/// Whether the program's thread waits for its debugger to receive its breakpoint.
pub(crate) fn is_told(program: u64) -> bool {
    is_in(program, ThreadState::AtEndpoint)
}

pub(crate) fn is_in(program: u64, state: ThreadState) -> bool {
    let mut threads = [ThreadInformation::default(); 2];
    let count = list_threads(program, &mut threads);
    count == Ok(1) && threads[0].state == state as u64
}

pub(crate) fn give_up(slots: [u64; 2]) {
    for slot in slots {
        check!(delete_capability(slot).is_ok(), "slot {slot}");
    }
}

/// Puts the loop's first instruction back, and the thread before it.
pub(crate) fn repair(program: u64, thread: u64) {
    check!(patch_memory(program, DEBUGGEE_INCREMENT, &[DEBUGGEE_INCREMENT_BYTE]).is_ok(), "not repaired");
    let registers = read_registers(thread, &utcb());
    let Ok(mut registers) = registers else { programs::wrong(file!(), format_args!("{registers:?}")) };
    check!(registers.instruction_pointer == DEBUGGEE_INCREMENT + 1, "{registers:x?}");
    check!(registers.general[Register::Rax as usize] == 0, "{registers:x?}");
    registers.instruction_pointer = DEBUGGEE_INCREMENT;
    check!(write_registers(thread, &registers, &utcb()).is_ok(), "not written");
}
