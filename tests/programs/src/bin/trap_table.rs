//! A first program that lets programs take every trap of `programs::TRAP_CASES`, twice each: without a handler (then it is
//! shut down, or paused at a breakpoint and killed), and with this program as the handler, which then kills it. Writes what it saw as records; `tests/tests/trap_table` makes the
//! table of traps in the book from them. To be booted with the word `test-hooks`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{Error, FaultMessage, MessageTag, ProgramEnd, REPLY_KILL, ThreadInformation, ThreadState};
use gatehouse_runtime::time::{Deadline, MILLISECOND, SECOND, wait_until};
use gatehouse_runtime::{Kernel, entry};
use programs::raw::control::kill_program;
use programs::raw::debugger::list_threads;
use programs::raw::message::{
    create_endpoint, delete_capability, first_utcb, receive, reply, resume_thread, set_fault_handler, spawn_suspended,
};
use programs::{TRAP_CASES, TrapCase, check};
use serde::Serialize;

entry!(run);

/// How long a program may take to its end or its fault.
const PATIENCE: u64 = 20 * SECOND;

/// What was seen of a case; numbers as the kernel gave them.
#[derive(Serialize)]
struct Seen {
    case: usize,
    /// Of [`ProgramEnd`]: cause, trap, vector, error code, address, instruction pointer, stack pointer.
    without_handler: [u64; 7],
    /// Of [`FaultMessage`]: cause, address, program counter, access.
    message: [u64; 4],
    /// As above, after the handler's word to kill.
    killed: [u64; 7],
}

#[derive(Serialize)]
struct Line {
    trap_case: Seen,
}

fn run(_argument: u64) -> u64 {
    for (number, case) in TRAP_CASES.iter().enumerate() {
        let without_handler = words(&without_handler(case));
        let (message, killed) = with_handler(case);
        let message = [message.cause, message.address, message.program_counter, message.access];
        let seen = Seen { case: number, without_handler, message, killed: words(&killed) };
        let mut line = [0; 1024];
        let length = serde_json_core::to_slice(&Line { trap_case: seen }, &mut line);
        check!(length.is_ok(), "{}: no room for the record", case.trap);
        let recorded = Kernel::record(&line[..length.unwrap_or(0)]);
        check!(recorded.is_ok(), "{}: {recorded:?}", case.trap);
    }
    0
}

fn words(end: &ProgramEnd) -> [u64; 7] {
    [end.cause, end.trap, end.vector, end.error_code, end.address, end.instruction_pointer, end.stack_pointer]
}

fn end_of(case: &TrapCase) -> ProgramEnd {
    match Kernel::wait_program(PATIENCE) {
        Ok(Some(end)) => end,
        other => programs::wrong(file!(), format_args!("{}: the program does not end: {other:?}", case.trap)),
    }
}

fn without_handler(case: &TrapCase) -> ProgramEnd {
    if case.expected.trap.is_breakpoint() {
        return paused(case);
    }
    let started = Kernel::spawn_program_quietly(case.program, case.argument, 0);
    check!(started.is_ok(), "{}: {started:?}", case.trap);
    end_of(case)
}

/// A program whose thread is paused at a breakpoint, and which ends since it is killed then.
fn paused(case: &TrapCase) -> ProgramEnd {
    // SAFETY: only the first thread comes here.
    let utcb = unsafe { first_utcb() };
    let child = match spawn_suspended(case.program, case.argument, 0, &utcb) {
        Ok(child) => child,
        Err(error) => programs::wrong(file!(), format_args!("{}: {error:?}", case.trap)),
    };
    check!(resume_thread(child.thread).is_ok(), "{}: not resumed", case.trap);
    let is_paused = || {
        let mut threads = [ThreadInformation::default(); 2];
        list_threads(child.program, &mut threads) == Ok(1) && threads[0].state == ThreadState::Paused as u64
    };
    check!(wait_until(PATIENCE, is_paused), "{}: not paused", case.trap);
    check!(kill_program(child.program).is_ok(), "{}: not killed", case.trap);
    let end = end_of(case);
    for slot in [child.program, child.thread] {
        check!(delete_capability(slot).is_ok(), "{}: slot {slot}", case.trap);
    }
    end
}

fn with_handler(case: &TrapCase) -> (FaultMessage, ProgramEnd) {
    // SAFETY: only the first thread comes here.
    let utcb = unsafe { first_utcb() };
    let (child, endpoint) = match (spawn_suspended(case.program, case.argument, 0, &utcb), create_endpoint()) {
        (Ok(child), Ok(endpoint)) => (child, endpoint),
        other => programs::wrong(file!(), format_args!("{}: {other:?}", case.trap)),
    };
    check!(set_fault_handler(child.thread, endpoint).is_ok(), "{}: not bound", case.trap);
    check!(resume_thread(child.thread).is_ok(), "{}: not resumed", case.trap);
    let plain = MessageTag::new(0, 0).non_blocking();
    let deadline = Deadline::after(PATIENCE);
    let message = loop {
        match receive(endpoint, plain) {
            Ok(message) => break message,
            Err(Error::WouldBlock) if !deadline.passed() => Kernel::sleep(MILLISECOND),
            Err(error) => programs::wrong(file!(), format_args!("{}: no fault: {error:?}", case.trap)),
        }
    };
    let fault = message.fault(&utcb);
    let Some(fault) = fault else { programs::wrong(file!(), format_args!("{}: {message:?}", case.trap)) };
    check!(reply(MessageTag::new(REPLY_KILL, 0), [0; 4]).is_ok(), "{}: no reply", case.trap);
    let end = end_of(case);
    for slot in [child.program, child.thread, endpoint] {
        check!(delete_capability(slot).is_ok(), "{}: slot {slot}", case.trap);
    }
    (fault, end)
}
