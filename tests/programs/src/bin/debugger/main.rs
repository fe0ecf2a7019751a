//! A debugger in user space: a first program that debugs the program `debuggee`, on its own CPU and on each other one, with
//! breakpoints, single steps and watchpoints, and tries what else can come of a thread at a breakpoint.
#![cfg_attr(target_os = "none", no_std, no_main)]

mod debuggees;
mod without_debugger;

use debuggees::{
    StoppedTurns, end, give_up, in_turn, is_paused, is_told, new_debugger, next, paused, repair, start, survived, utcb,
};
use gatehouse_runtime::abi::{EndCause, Error, ThreadInformation, ThreadState, TrapNumber};
use gatehouse_runtime::capability::{self, Slot};
use gatehouse_runtime::memory::PAGE_SIZE;
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::{MILLISECOND, SECOND, wait_until};
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::control::suspend_thread;
use programs::raw::debugger::{
    INT3, Reason, Register, TRAP_FLAG, Watch, clear_breakpoint, list_threads, open_thread, patch_memory,
    read_registers, unwatch, watch, write_registers,
};
use programs::raw::message::{delete_capability, map_into, resume_thread, spawn_suspended, write_memory};
use programs::{
    DEBUGGEE_BEHIND_STORE, DEBUGGEE_INCREMENT, DEBUGGEE_INSTRUCTIONS, DEBUGGEE_SPINS, DEBUGGEE_START, DEBUGGEE_STORE,
    DEBUGGEE_TURNS, DEBUGGEE_VARIABLE, check, cpus,
};
use without_debugger::{
    killed_while_paused, paused_by_instruction_breakpoints, paused_by_single_steps, paused_by_watchpoints,
    paused_without_debugger,
};

entry!(run);

/// How long a debuggee may take to stop or end.
const PATIENCE: u64 = 20 * SECOND;

fn run(_argument: u64) -> u64 {
    let cpus = cpus();
    for cpu in 0..cpus {
        let mut stops = 0;
        stops += breakpoints(cpu);
        stops += single_steps(cpu);
        stops += watchpoints(cpu);
        execution_breakpoints(cpu);
        paused_without_debugger(cpu);
        paused_by_instruction_breakpoints(cpu);
        paused_by_watchpoints(cpu);
        paused_by_single_steps(cpu);
        attached_late(cpu);
        attached_to_a_running_thread(cpu);
        killed_while_paused(cpu);
        cleared_behind_the_debuggers_back(cpu, cpus);
        debugger_goes_away(cpu);
        debugger_takes_the_next_one(cpu);
        killed_at_a_breakpoint(cpu);
        refusals(cpu);
        println!("debugger: CPU {cpu}: {stops} stops, all as expected");
    }
    println!("debugger: all cases hold on {cpus} CPUs");
    0
}

/// An `int3` in the loop: met in every turn, stepped over, armed again.
fn breakpoints(cpu: u64) -> u64 {
    let debugger = new_debugger();
    let debuggee = start(&debugger, cpu);
    let breakpoint = debuggee.breakpoint(DEBUGGEE_INCREMENT);
    let Ok(mut breakpoint) = breakpoint else { programs::wrong(file!(), format_args!("{breakpoint:?}")) };
    check!(debuggee.resume().is_ok(), "not resumed");
    for turn in 0..DEBUGGEE_TURNS {
        let stop = next(&debugger, &debuggee, cpu);
        check!(stop.reason() == Reason::Breakpoint, "{stop:x?}");
        check!(stop.program_counter() == DEBUGGEE_INCREMENT + 1, "{stop:x?}");
        in_turn(&stop, &debuggee, turn, turn);
        let stepped = debugger.step_over(&debuggee, stop, &mut breakpoint);
        let Ok(stepped) = stepped else { programs::wrong(file!(), format_args!("no step: {stepped:?}")) };
        check!(stepped.reason() == Reason::Debug { stepped: true, met: 0 }, "{stepped:x?}");
        check!(stepped.program_counter() == DEBUGGEE_STORE, "{stepped:x?}");
        let mut byte = [0];
        check!(debuggee.read(DEBUGGEE_INCREMENT, &mut byte).is_ok() && byte == [INT3], "not armed again: {byte:x?}");
        check!(stepped.resume().is_ok(), "not resumed");
    }
    survived();
    2 * DEBUGGEE_TURNS
}

/// Every instruction from the site to its end, one by one.
fn single_steps(cpu: u64) -> u64 {
    let debugger = new_debugger();
    let debuggee = start(&debugger, cpu);
    let registers = read_registers(debuggee.thread().slot().number(), &utcb());
    let Ok(mut registers) = registers else { programs::wrong(file!(), format_args!("{registers:?}")) };
    registers.instruction_pointer = DEBUGGEE_START;
    registers.general[Register::Rdi as usize] = DEBUGGEE_VARIABLE;
    registers.flags |= TRAP_FLAG;
    check!(write_registers(debuggee.thread().slot().number(), &registers, &utcb()).is_ok(), "not written");
    check!(debuggee.resume().is_ok(), "not resumed");
    for instruction in 0..DEBUGGEE_INSTRUCTIONS {
        let stop = next(&debugger, &debuggee, cpu);
        check!(stop.reason() == Reason::Debug { stepped: true, met: 0 }, "instruction {instruction}: {stop:x?}");
        check!(stop.fault().flags & TRAP_FLAG != 0, "{stop:x?}");
        // After the last one the next instruction is the system call, which does not come back.
        check!(stop.step().is_ok(), "not stepped");
    }
    survived();
    DEBUGGEE_INSTRUCTIONS
}

/// A watchpoint on the variable, while another program writes to the same address on the same CPU.
fn watchpoints(cpu: u64) -> u64 {
    let mut stops = 0;
    for (number, kind, length) in [(0, Watch::Write, 8), (3, Watch::ReadWrite, 4), (1, Watch::Write, 1)] {
        let debugger = new_debugger();
        let debuggee = start(&debugger, cpu);
        check!(watch(debuggee.thread().slot().number(), number, kind, DEBUGGEE_VARIABLE, length).is_ok(), "not set");
        check!(debuggee.resume().is_ok(), "not resumed");
        for turn in 1..=DEBUGGEE_TURNS {
            let stop = next(&debugger, &debuggee, cpu);
            check!(stop.reason() == Reason::Debug { stepped: false, met: 1 << number }, "{stop:x?}");
            check!(stop.program_counter() == DEBUGGEE_BEHIND_STORE, "{stop:x?}");
            let variable = debuggee.read_word(DEBUGGEE_VARIABLE);
            check!(variable == Ok(turn), "the variable is {variable:?} in turn {turn}");
            stops += 1;
            if turn == 5 {
                // No debugger, so a breakpoint of the other thread would pause it, and it would not end.
                let bystander = Kernel::spawn_program_quietly("debuggee", 1, cpu);
                check!(bystander.is_ok(), "{bystander:?}");
                survived();
            }
            if turn == 8 {
                check!(unwatch(debuggee.thread().slot().number(), number).is_ok(), "not cleared");
                check!(stop.resume().is_ok(), "not resumed");
                break;
            }
            check!(stop.resume().is_ok(), "not resumed");
        }
        survived();
    }
    stops
}

/// A hardware breakpoint on an instruction: met before it, in every turn.
fn execution_breakpoints(cpu: u64) {
    let mut turns = StoppedTurns::new(cpu);
    let debugger = new_debugger();
    let debuggee = start(&debugger, cpu);
    check!(watch(debuggee.thread().slot().number(), 0, Watch::Execute, DEBUGGEE_INCREMENT, 1).is_ok(), "not set");
    check!(debuggee.resume().is_ok(), "not resumed");
    loop {
        let mut stop = next(&debugger, &debuggee, cpu);
        check!(stop.reason() == Reason::Debug { stepped: false, met: 1 }, "{stop:x?}");
        check!(stop.program_counter() == DEBUGGEE_INCREMENT, "{stop:x?}");
        let registers = stop.registers();
        let Ok(registers) = registers else { programs::wrong(file!(), format_args!("no registers: {registers:?}")) };
        let turn = registers.general[Register::Rax as usize];
        turns.stopped(turn);
        in_turn(&stop, &debuggee, turn, turn);
        let is_last = turn >= DEBUGGEE_TURNS - 3;
        if is_last {
            check!(unwatch(debuggee.thread().slot().number(), 0).is_ok(), "not cleared");
        }
        // By either reply, and by a step, the instruction is executed, and is not met again at once.
        if turn % 3 == 2 {
            check!(stop.step().is_ok(), "not stepped");
            stop = next(&debugger, &debuggee, cpu);
            check!(stop.reason() == Reason::Debug { stepped: true, met: 0 }, "{stop:x?}");
            check!(stop.program_counter() == DEBUGGEE_STORE, "{stop:x?}");
        }
        let resumed = if turn % 3 == 0 { stop.resume_with(registers) } else { stop.resume() };
        check!(resumed.is_ok(), "{resumed:?}");
        if is_last {
            break;
        }
    }
    survived();
}

/// A debugger is attached to a thread that is paused already.
fn attached_late(cpu: u64) {
    let (program, thread) = paused(cpu);
    let debugger = new_debugger();
    check!(debugger.try_wait().is_ok_and(|stop| stop.is_none()), "a stop of nobody");
    let attached = debugger.attach(at(thread), 77);
    check!(attached.is_ok(), "not attached: {attached:?}");
    let stop = debugger.wait();
    let Ok(stop) = stop else { programs::wrong(file!(), format_args!("no stop: {stop:?}")) };
    check!(stop.badge() == 77 && stop.reason() == Reason::Breakpoint && stop.fault().cpu == cpu, "{stop:x?}");
    check!(stop.program_counter() == DEBUGGEE_INCREMENT + 1, "{stop:x?}");
    repair(program, thread);
    check!(stop.resume().is_ok(), "not resumed");
    survived();
    give_up([program, thread]);
}

/// A thread that runs is suspended, attached, put elsewhere, watched, and let go.
fn attached_to_a_running_thread(cpu: u64) {
    let child = spawn_suspended("debuggee", DEBUGGEE_SPINS, cpu, &utcb());
    let Ok(child) = child else { programs::wrong(file!(), format_args!("no child: {child:?}")) };
    check!(map_into(child.program, DEBUGGEE_VARIABLE, PAGE_SIZE).is_ok(), "not mapped");
    check!(resume_thread(child.thread).is_ok(), "not resumed");
    // Nothing tells that it spins: time in which it begins to. Whether it has, all that is asked now is refused.
    Kernel::sleep(MILLISECOND);
    let debugger = new_debugger();
    check!(debugger.attach(at(child.thread), 5).is_err(), "attached to a thread that runs");
    check!(read_registers(child.thread, &utcb()) == Err(Error::WrongState), "registers of a thread that runs");
    check!(suspend_thread(child.thread).is_ok(), "not suspended");
    let attached = debugger.attach(at(child.thread), 5);
    check!(attached.is_ok(), "not attached: {attached:?}");
    let registers = read_registers(child.thread, &utcb());
    let Ok(mut registers) = registers else { programs::wrong(file!(), format_args!("{registers:?}")) };
    registers.instruction_pointer = DEBUGGEE_START;
    registers.general[Register::Rdi as usize] = DEBUGGEE_VARIABLE;
    check!(write_registers(child.thread, &registers, &utcb()).is_ok(), "not written");
    check!(watch(child.thread, 1, Watch::Write, DEBUGGEE_VARIABLE, 8).is_ok(), "not set");
    check!(resume_thread(child.thread).is_ok(), "not resumed");
    for turn in 0..DEBUGGEE_TURNS {
        let stop = debugger.wait();
        let Ok(stop) = stop else { programs::wrong(file!(), format_args!("no stop: {stop:?}")) };
        check!(stop.badge() == 5 && stop.reason() == Reason::Debug { stepped: false, met: 0b10 }, "{turn}: {stop:x?}");
        check!(stop.resume().is_ok(), "not resumed");
    }
    survived();
    give_up([child.program, child.thread]);
}

/// Somebody else clears a breakpoint that the debugger has been told of, or is to be told of.
fn cleared_behind_the_debuggers_back(cpu: u64, cpus: u64) {
    for received in [true, false] {
        let debugger = new_debugger();
        let debuggee = start(&debugger, cpu);
        check!(debuggee.breakpoint(DEBUGGEE_INCREMENT).is_ok(), "no breakpoint");
        check!(debuggee.resume().is_ok(), "not resumed");
        let stop = received.then(|| next(&debugger, &debuggee, cpu));
        if !received {
            check!(wait_until(PATIENCE, || is_told(debuggee.program().slot().number())), "the fault does not arrive");
        }
        repair(debuggee.program().slot().number(), debuggee.thread().slot().number());
        let other = Thread::spawn(clear, debuggee.thread().slot().number(), (cpu + 1) % cpus);
        let Ok(other) = other else { programs::wrong(file!(), format_args!("no thread: {other:?}")) };
        check!(other.join(PATIENCE) == Some(0), "not cleared");
        if let Some(stop) = stop {
            check!(stop.resume() == Err(Error::WrongState), "a reply was still owed");
        }
        survived();
        check!(debugger.try_wait().is_ok_and(|stop| stop.is_none()), "it is still told");
    }
    // The debugger itself may do so, too.
    let debugger = new_debugger();
    let debuggee = start(&debugger, cpu);
    check!(debuggee.breakpoint(DEBUGGEE_INCREMENT).is_ok(), "no breakpoint");
    check!(debuggee.resume().is_ok(), "not resumed");
    let stop = next(&debugger, &debuggee, cpu);
    repair(debuggee.program().slot().number(), debuggee.thread().slot().number());
    check!(clear_breakpoint(debuggee.thread().slot().number()) == Ok(()), "not cleared");
    check!(stop.resume() == Err(Error::WrongState), "a reply was still owed");
    survived();
}

fn clear(thread: u64) -> u64 {
    u64::from(clear_breakpoint(thread).is_err())
}

/// The debugger is detached, before a breakpoint or while one waits to be received: the thread is paused.
fn debugger_goes_away(cpu: u64) {
    for at_once in [true, false] {
        let debugger = new_debugger();
        let mut debuggee = start(&debugger, cpu);
        check!(debuggee.breakpoint(DEBUGGEE_INCREMENT).is_ok(), "no breakpoint");
        if at_once {
            debuggee.detach();
        }
        check!(debuggee.resume().is_ok(), "not resumed");
        if !at_once {
            check!(wait_until(PATIENCE, || is_told(debuggee.program().slot().number())), "the fault does not arrive");
            debuggee.detach();
            check!(is_paused(debuggee.program().slot().number()), "the thread is not paused");
        }
        check!(wait_until(PATIENCE, || is_paused(debuggee.program().slot().number())), "the thread is not paused");
        check!(debugger.try_wait().is_ok_and(|stop| stop.is_none()), "it is still told");
        repair(debuggee.program().slot().number(), debuggee.thread().slot().number());
        check!(clear_breakpoint(debuggee.thread().slot().number()) == Ok(()), "not cleared");
        survived();
    }
}

/// The debugger waits again without a reply: what it had been told of stays paused, so that one debugger can hold many.
fn debugger_takes_the_next_one(cpu: u64) {
    let debugger = new_debugger();
    let debuggees = [start(&debugger, cpu), start(&debugger, cpu)];
    for debuggee in &debuggees {
        check!(debuggee.breakpoint(DEBUGGEE_INCREMENT).is_ok(), "no breakpoint");
        check!(debuggee.resume().is_ok(), "not resumed");
    }
    for _ in &debuggees {
        let stop = debugger.wait();
        check!(stop.is_ok_and(|stop| stop.reason() == Reason::Breakpoint), "no stop");
    }
    check!(debugger.try_wait().is_ok_and(|stop| stop.is_none()), "a third stop");
    for debuggee in &debuggees {
        check!(is_paused(debuggee.program().slot().number()), "not paused");
        repair(debuggee.program().slot().number(), debuggee.thread().slot().number());
        check!(clear_breakpoint(debuggee.thread().slot().number()) == Ok(()), "not cleared");
    }
    survived();
    survived();
}

fn killed_at_a_breakpoint(cpu: u64) {
    let debugger = new_debugger();
    let debuggee = start(&debugger, cpu);
    check!(debuggee.breakpoint(DEBUGGEE_INCREMENT).is_ok(), "no breakpoint");
    check!(debuggee.resume().is_ok(), "not resumed");
    check!(next(&debugger, &debuggee, cpu).kill().is_ok(), "not killed");
    let end = end();
    check!(end.cause == EndCause::Trap as u64 && end.trap == TrapNumber::BREAKPOINT.to_bits(), "{end:x?}");
    check!(end.instruction_pointer == DEBUGGEE_INCREMENT + 1 && end.cpu == cpu, "{end:x?}");
}

/// What debuggers may not do, or cannot.
fn refusals(cpu: u64) {
    let debugger = new_debugger();
    let debuggee = start(&debugger, cpu);
    let (program, thread) = (debuggee.program().slot().number(), debuggee.thread().slot().number());
    for (number, kind, address, length) in [
        (4, Watch::Write, DEBUGGEE_VARIABLE, 8),
        (u64::MAX, Watch::Write, DEBUGGEE_VARIABLE, 8),
        (0, Watch::Write, DEBUGGEE_VARIABLE + 4, 8),
        (0, Watch::Write, DEBUGGEE_VARIABLE, 3),
        (0, Watch::Write, DEBUGGEE_VARIABLE, 0),
        (0, Watch::Execute, DEBUGGEE_START, 2),
        (0, Watch::Write, 0xffff_8000_0000_0000, 8),
        (0, Watch::ReadWrite, 0x8000_0000_0000, 8),
        (0, Watch::Execute, u64::MAX, 1),
        (0, Watch::Write, 0, 1),
    ] {
        let answer = watch(thread, number, kind, address, length);
        check!(answer == Err(Error::InvalidArgument), "{number} {kind:?} {address:#x} {length}: {answer:?}");
    }
    check!(watch(program, 0, Watch::Write, DEBUGGEE_VARIABLE, 8) == Err(Error::BadCapability), "watched a program");
    check!(write_memory(program, DEBUGGEE_START, &[INT3]) == Err(Error::BadAddress), "wrote code");
    for address in [0, 0x1000, 0xffff_8000_0000_0000, 0x7fff_ffff_ffff, u64::MAX] {
        check!(patch_memory(program, address, &[INT3]) == Err(Error::BadAddress), "patched {address:#x}");
    }
    check!(clear_breakpoint(thread) == Err(Error::WrongState), "cleared a suspended thread");
    let mut threads = [ThreadInformation::default(); 3];
    check!(list_threads(program, &mut threads) == Ok(1), "{threads:?}");
    check!(threads[0].state == ThreadState::Suspended as u64 && threads[0].cpu == cpu, "{threads:?}");
    check!(open_thread(program, threads[0].number + 1_000_000) == Err(Error::NotFound), "opened nobody");
    let opened = open_thread(program, threads[0].number);
    let Ok(opened) = opened else { programs::wrong(file!(), format_args!("{opened:?}")) };
    check!(read_registers(opened, &utcb()).is_ok(), "no registers of a suspended thread");
    check!(delete_capability(opened).is_ok(), "not deleted");
    check!(debuggee.resume().is_ok(), "not resumed");
    survived();
    for answer in [
        read_registers(thread, &utcb()).map(drop),
        write_registers(thread, &Default::default(), &utcb()),
        watch(thread, 0, Watch::Write, DEBUGGEE_VARIABLE, 8),
        debugger.attach(at(thread), 1).map(drop),
    ] {
        check!(answer == Err(Error::WrongState), "an ended thread: {answer:?}");
    }
}

/// The thread in a slot.
const fn at(slot: u64) -> capability::Thread {
    capability::Thread::from_slot(Slot::new(slot))
}
