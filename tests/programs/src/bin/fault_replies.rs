//! What can come of a fault that was sent to a handler: a first program that is the handler of its own second instances.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{
    EndCause, Error, MessageTag, ProgramEnd, REPLY_KILL, REPLY_REGISTERS, SLOT_FIRST_FREE, ThreadState, TrapNumber,
    rights,
};
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::SECOND;
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::message::{
    Suspended, call, copy_capability, create_endpoint, delete_capability, first_utcb, read_fault_registers, receive,
    reply, resume_thread, revoke_capability, send, set_fault_handler, spawn_suspended,
};
use programs::waiting::until_threads;
use programs::{check, cpus};

entry!(run);

/// What a second instance does.
const UNDEFINED: u64 = 1;
const CALL: u64 = 2;

const PLAIN: MessageTag = MessageTag::new(0, 0);

fn run(argument: u64) -> u64 {
    match argument {
        UNDEFINED => undefined(),
        CALL => call_and_tell(),
        _ => cases(),
    }
}

fn cases() -> u64 {
    for cpu in 0..cpus() {
        the_handler_changes_registers(cpu);
        the_handler_kills(cpu);
        the_handler_ends_without_a_word(cpu);
        the_endpoint_goes_while_the_fault_waits(cpu);
        the_capability_is_revoked_while_a_caller_waits(cpu);
        a_call_is_answered(cpu);
    }
    nobody_waits();
    wrong_slots();
    println!("fault_replies: all cases hold on {} CPUs", cpus());
    0
}

/// Executes an undefined instruction, and exits with what it finds in RAX behind it.
fn undefined() -> u64 {
    let status;
    #[cfg(target_os = "none")]
    // SAFETY: the handler skips the instruction, or this program ends.
    unsafe {
        core::arch::asm!("ud2", inout("rax") 1_u64 => status, options(nomem, nostack));
    }
    #[cfg(not(target_os = "none"))]
    {
        status = 1;
    }
    status
}

/// Calls its parent, and exits with the reply's first word; with 1000 and the error's number if there is none.
fn call_and_tell() -> u64 {
    match call(SLOT_FIRST_FREE, MessageTag::new(5, 4), [1, 2, 3, 4]) {
        Ok(message) => message.words[0],
        Err(error) => 1000 + error as u64,
    }
}

fn start(argument: u64, cpu: u64) -> (Suspended, u64) {
    // SAFETY: only the first thread comes here.
    let utcb = unsafe { first_utcb() };
    let child = spawn_suspended("fault_replies", argument, cpu, &utcb);
    let endpoint = create_endpoint();
    match (child, endpoint) {
        (Ok(child), Ok(endpoint)) => (child, endpoint),
        other => programs::wrong(file!(), format_args!("no child or no endpoint: {other:?}")),
    }
}

/// A child that has faulted: its fault is the message that was received last.
fn faulted(cpu: u64) -> (Suspended, u64) {
    let (child, endpoint) = start(UNDEFINED, cpu);
    check!(set_fault_handler(child.thread, endpoint).is_ok(), "not bound");
    check!(resume_thread(child.thread).is_ok(), "not resumed");
    let message = receive(endpoint, PLAIN);
    let Ok(message) = message else { programs::wrong(file!(), format_args!("no fault: {message:?}")) };
    // SAFETY: only the first thread comes here.
    let fault = message.fault(&unsafe { first_utcb() });
    let Some(fault) = fault else { programs::wrong(file!(), format_args!("no fault: {message:?}")) };
    check!(fault.cause == TrapNumber::UNKNOWN_INSTRUCTION.to_bits(), "{fault:x?}");
    check!(fault.address == fault.program_counter, "{fault:x?}");
    check!(fault.cpu == cpu && fault.access >> 32 == 6 && fault.stack_pointer != 0, "{fault:x?}");
    (child, endpoint)
}

fn end() -> ProgramEnd {
    match Kernel::wait_program(20 * SECOND) {
        Ok(Some(end)) => end,
        other => programs::wrong(file!(), format_args!("the child does not end: {other:?}")),
    }
}

fn clean_up(child: Suspended, endpoint: Option<u64>) {
    for slot in [Some(child.program), Some(child.thread), endpoint].into_iter().flatten() {
        check!(delete_capability(slot).is_ok(), "slot {slot}");
    }
}

fn is_shut_down(end: &ProgramEnd) -> bool {
    end.cause == EndCause::Trap as u64 && end.trap == TrapNumber::UNKNOWN_INSTRUCTION.to_bits() && end.vector == 6
}

fn the_handler_changes_registers(cpu: u64) {
    let (child, endpoint) = faulted(cpu);
    check!(read_fault_registers().is_ok(), "no registers");
    // SAFETY: only the first thread comes here.
    let utcb = unsafe { first_utcb() };
    let mut registers = utcb.registers();
    registers.instruction_pointer += 2;
    // RAX is the eleventh of the general registers. Flags that are not the program's must stay as they are.
    registers.general[10] = 77;
    registers.flags = !(1 << 8);
    utcb.set_registers(&registers);
    check!(reply(MessageTag::new(REPLY_REGISTERS, 0), [0; 4]) == Ok(0), "not replied");
    check!(reply(PLAIN, [0; 4]) == Err(Error::WrongState), "a second reply was taken");
    let end = end();
    check!(end.cause == EndCause::Exited as u64 && end.status == 77, "{end:x?}");
    clean_up(child, Some(endpoint));
}

fn the_handler_kills(cpu: u64) {
    let (child, endpoint) = faulted(cpu);
    check!(reply(MessageTag::new(REPLY_KILL, 0), [0; 4]) == Ok(0), "not replied");
    let end = end();
    check!(is_shut_down(&end), "{end:x?}");
    clean_up(child, Some(endpoint));
}

/// The thread that received the fault ends and never replies.
fn the_handler_ends_without_a_word(cpu: u64) {
    let (child, endpoint) = start(UNDEFINED, cpu);
    check!(set_fault_handler(child.thread, endpoint).is_ok(), "not bound");
    let handler = Thread::spawn(receive_and_end, endpoint, cpu);
    let Ok(handler) = handler else { programs::wrong(file!(), format_args!("no thread: {handler:?}")) };
    check!(resume_thread(child.thread).is_ok(), "not resumed");
    check!(handler.join(20 * SECOND) == Some(0), "the handler does not end");
    let end = end();
    check!(is_shut_down(&end), "{end:x?}");
    clean_up(child, Some(endpoint));
}

fn receive_and_end(endpoint: u64) -> u64 {
    u64::from(receive(endpoint, PLAIN).is_err())
}

fn the_endpoint_goes_while_the_fault_waits(cpu: u64) {
    let (child, endpoint) = start(UNDEFINED, cpu);
    check!(set_fault_handler(child.thread, endpoint).is_ok(), "not bound");
    check!(resume_thread(child.thread).is_ok(), "not resumed");
    until_threads(child.program, 1, ThreadState::AtEndpoint);
    check!(delete_capability(endpoint).is_ok(), "not deleted");
    let end = end();
    check!(is_shut_down(&end), "{end:x?}");
    clean_up(child, None);
}

fn the_capability_is_revoked_while_a_caller_waits(cpu: u64) {
    let (child, endpoint) = start(CALL, cpu);
    let given = copy_capability(endpoint, rights::SEND, 9, child.program);
    check!(given == Ok(SLOT_FIRST_FREE), "{given:?}");
    check!(resume_thread(child.thread).is_ok(), "not resumed");
    until_threads(child.program, 1, ThreadState::AtEndpoint);
    check!(revoke_capability(endpoint).is_ok(), "not revoked");
    // The caller is in the queue already: it was allowed to call when it did, and is answered or told that we went.
    check!(delete_capability(endpoint).is_ok(), "not deleted");
    let end = end();
    check!(end.status == 1000 + Error::Gone as u64 || end.status == 1000 + Error::BadCapability as u64, "{end:x?}");
    clean_up(child, None);
}

fn a_call_is_answered(cpu: u64) {
    let (child, endpoint) = start(CALL, cpu);
    check!(copy_capability(endpoint, rights::SEND, 9, child.program) == Ok(SLOT_FIRST_FREE), "not given");
    check!(resume_thread(child.thread).is_ok(), "not resumed");
    let message = receive(endpoint, PLAIN);
    let Ok(message) = message else { programs::wrong(file!(), format_args!("no call: {message:?}")) };
    check!(message.badge == 9 && message.words == [1, 2, 3, 4], "{message:?}");
    check!(message.tag.label() == 5 && message.tag.words() == 4, "{message:?}");
    check!(read_fault_registers() == Err(Error::WrongState), "a caller's registers were read");
    check!(reply(MessageTag::new(0, 1), [4711, 0, 0, 0]) == Ok(0), "not replied");
    let end = end();
    check!(end.cause == EndCause::Exited as u64 && end.status == 4711, "{end:x?}");
    clean_up(child, Some(endpoint));
}

fn nobody_waits() {
    let Ok(endpoint) = create_endpoint() else { programs::wrong(file!(), format_args!("no endpoint")) };
    check!(receive(endpoint, PLAIN.non_blocking()) == Err(Error::WouldBlock), "a message from nobody");
    check!(send(endpoint, PLAIN.non_blocking(), [0; 4]) == Err(Error::WouldBlock), "sent to nobody");
    check!(call(endpoint, PLAIN.non_blocking(), [0; 4]) == Err(Error::WouldBlock), "called nobody");
    check!(send(endpoint, MessageTag::new(0, 65), [0; 4]) == Err(Error::InvalidArgument), "65 words");
    let forged = MessageTag::new(MessageTag::FAULT, 4).non_blocking();
    check!(send(endpoint, forged, [0; 4]) == Err(Error::InvalidArgument), "a fault was forged");
    let only_receive = copy_capability(endpoint, rights::RECEIVE, 0, 0);
    let Ok(only_receive) = only_receive else { programs::wrong(file!(), format_args!("{only_receive:?}")) };
    check!(send(only_receive, PLAIN, [0; 4]) == Err(Error::NoRight), "sent without the right");
    check!(delete_capability(only_receive).is_ok() && delete_capability(endpoint).is_ok(), "not deleted");
    check!(receive(endpoint, PLAIN) == Err(Error::BadCapability), "received by a deleted capability");
}

fn wrong_slots() {
    for slot in [0, 1, 2, 4_000, 5_000, u64::MAX] {
        check!(receive(slot, PLAIN) == Err(Error::BadCapability), "received from slot {slot}");
    }
    check!(reply(PLAIN, [0; 4]) == Err(Error::WrongState), "replied to nobody");
}
