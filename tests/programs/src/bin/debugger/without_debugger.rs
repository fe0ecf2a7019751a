//! Breakpoints of every kind that nobody handles: the thread is paused.

use gatehouse_runtime::Kernel;
use gatehouse_runtime::abi::{EndCause, Error, ThreadRegisters};
use gatehouse_runtime::memory::PAGE_SIZE;
use gatehouse_runtime::time::{MILLISECOND, wait_until};
use programs::raw::control::kill_program;
use programs::raw::debugger::{
    Register, TRAP_FLAG, Watch, clear_breakpoint, read_registers, unwatch, watch, write_registers,
};
use programs::raw::message::{Suspended, map_into, resume_thread, spawn_suspended};
use programs::{DEBUGGEE_BEHIND_STORE, DEBUGGEE_INCREMENT, DEBUGGEE_START, DEBUGGEE_VARIABLE, check};

use crate::PATIENCE;
use crate::debuggees::{StoppedTurns, end, give_up, is_paused, paused, repair, survived, utcb};

/// Nobody handles the breakpoint: the thread waits, is looked into, repaired and cleared.
pub(crate) fn paused_without_debugger(cpu: u64) {
    let (program, thread) = paused(cpu);
    // Nothing else runs now but this program, and its waits still end.
    check!(Kernel::wait_program(20 * MILLISECOND) == Ok(None), "it ended");
    check!(is_paused(program), "it went on by itself");
    repair(program, thread);
    check!(clear_breakpoint(thread) == Ok(()), "not cleared");
    survived();
    check!(clear_breakpoint(thread) == Err(Error::WrongState), "an ended thread was cleared");
    give_up([program, thread]);
}

/// A program ends from outside while its thread is paused.
pub(crate) fn killed_while_paused(cpu: u64) {
    let (program, thread) = paused(cpu);
    check!(kill_program(program).is_ok(), "not killed");
    let end = end();
    check!(end.cause == EndCause::Killed as u64, "{end:x?}");
    check!(clear_breakpoint(thread) == Err(Error::WrongState), "an ended thread was cleared");
    give_up([program, thread]);
}

/// The turn of the loop from which on nothing more is to stop the thread.
const LAST_TURN: u64 = 5;

/// A hardware breakpoint: in the turns of the loop the thread is paused before the instruction and cleared, and killed at last,
/// or let go.
pub(crate) fn paused_by_instruction_breakpoints(cpu: u64) {
    for is_killed in [false, true] {
        let mut turns = StoppedTurns::new(cpu);
        let child = before_the_loop(cpu, 0);
        check!(watch(child.thread, 2, Watch::Execute, DEBUGGEE_INCREMENT, 1).is_ok(), "not set");
        check!(resume_thread(child.thread).is_ok(), "not resumed");
        loop {
            let turn = stands(&child, DEBUGGEE_INCREMENT).general[Register::Rax as usize];
            turns.stopped(turn);
            if turn >= LAST_TURN {
                break;
            }
            check!(clear_breakpoint(child.thread) == Ok(()), "not cleared");
        }
        let_go_or_kill(&child, is_killed, || check!(unwatch(child.thread, 2).is_ok(), "not unset"));
    }
}

/// A watchpoint: the thread is paused behind the store of every turn.
pub(crate) fn paused_by_watchpoints(cpu: u64) {
    for is_killed in [false, true] {
        let child = before_the_loop(cpu, 0);
        check!(watch(child.thread, 2, Watch::Write, DEBUGGEE_VARIABLE, 8).is_ok(), "not set");
        check!(resume_thread(child.thread).is_ok(), "not resumed");
        for turn in 0..=LAST_TURN {
            let registers = stands(&child, DEBUGGEE_BEHIND_STORE);
            check!(registers.general[Register::Rax as usize] == turn + 1, "turn {turn}: {registers:x?}");
            if turn < LAST_TURN {
                check!(clear_breakpoint(child.thread) == Ok(()), "not cleared");
            }
        }
        let_go_or_kill(&child, is_killed, || check!(unwatch(child.thread, 2).is_ok(), "not unset"));
    }
}

/// Single steps: the thread is paused behind each instruction, and steps on when it is cleared.
pub(crate) fn paused_by_single_steps(cpu: u64) {
    for is_killed in [false, true] {
        let child = before_the_loop(cpu, TRAP_FLAG);
        check!(resume_thread(child.thread).is_ok(), "not resumed");
        // XOR, MOV, INC, MOV, DEC, JNZ, INC.
        for offset in [2, 7, 10, 13, 15, 7, 10] {
            let registers = stands(&child, DEBUGGEE_START + offset);
            check!(registers.flags & TRAP_FLAG != 0, "{registers:x?}");
            if is_killed && offset == 15 {
                break;
            }
            check!(clear_breakpoint(child.thread) == Ok(()), "not cleared");
        }
        let_go_or_kill(&child, is_killed, || {
            let mut registers = stands(&child, DEBUGGEE_BEHIND_STORE);
            registers.flags &= !TRAP_FLAG;
            check!(write_registers(child.thread, &registers, &utcb()).is_ok(), "not written");
        });
    }
}

/// A program without a handler whose thread goes to the loop when it is resumed.
fn before_the_loop(cpu: u64, flags: u64) -> Suspended {
    let child = spawn_suspended("debuggee", 0, cpu, &utcb());
    let Ok(child) = child else { programs::wrong(file!(), format_args!("no child: {child:?}")) };
    check!(map_into(child.program, DEBUGGEE_VARIABLE, PAGE_SIZE).is_ok(), "not mapped");
    let registers = read_registers(child.thread, &utcb());
    let Ok(mut registers) = registers else { programs::wrong(file!(), format_args!("{registers:?}")) };
    registers.instruction_pointer = DEBUGGEE_START;
    registers.general[Register::Rdi as usize] = DEBUGGEE_VARIABLE;
    registers.flags |= flags;
    check!(write_registers(child.thread, &registers, &utcb()).is_ok(), "not written");
    child
}

/// The thread is paused, or will be in a moment, at that place.
fn stands(child: &Suspended, place: u64) -> ThreadRegisters {
    check!(wait_until(PATIENCE, || is_paused(child.program)), "the thread is not paused");
    match read_registers(child.thread, &utcb()) {
        Ok(registers) if registers.instruction_pointer == place => registers,
        other => programs::wrong(file!(), format_args!("expected at {place:#x}: {other:x?}")),
    }
}

/// The end of a program whose thread is paused: it is killed, or cleared once it has nothing more to stop at.
fn let_go_or_kill(child: &Suspended, is_killed: bool, free: impl FnOnce()) {
    if is_killed {
        check!(kill_program(child.program).is_ok(), "not killed");
        let end = end();
        check!(end.cause == EndCause::Killed as u64, "{end:x?}");
    } else {
        free();
        check!(clear_breakpoint(child.thread) == Ok(()), "not cleared");
        survived();
    }
    give_up([child.program, child.thread]);
}
