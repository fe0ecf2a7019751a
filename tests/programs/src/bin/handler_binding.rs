//! A fault handler goes with the capability that was bound: a first program that takes it away from its second instances.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{
    ANY_CPU, EndCause, Error, MessageTag, ProgramEnd, REPLY_REGISTERS, ThreadState, TrapNumber, rights,
};
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::SECOND;
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::message::{
    Suspended, copy_capability, delete_capability, first_utcb, read_fault_registers, receive, reply, revoke_capability,
    set_fault_handler,
};
use programs::waiting::until_threads;
use programs::{check, child, cpus};

entry!(run);

/// What a second instance does.
const UNDEFINED: u64 = 1;
const UNDEFINED_IN_A_THREAD: u64 = 2;

const PLAIN: MessageTag = MessageTag::new(0, 0);

fn run(argument: u64) -> u64 {
    match argument {
        UNDEFINED => undefined(0),
        UNDEFINED_IN_A_THREAD => match Thread::spawn(undefined, 0, ANY_CPU).map(|thread| thread.join(20 * SECOND)) {
            Ok(Some(status)) => status,
            _ => 100,
        },
        _ => cases(),
    }
}

/// Executes an undefined instruction twice; answers how often somebody went on behind it.
fn undefined(_argument: u64) -> u64 {
    #[cfg(target_os = "none")]
    // SAFETY: the handler skips each instruction, or this program ends.
    unsafe {
        core::arch::asm!("ud2", "ud2", options(nomem, nostack));
    }
    2
}

fn cases() -> u64 {
    let before = Kernel::system_information().map_or(0, |system| system.heap_bytes_in_use);
    for cpu in 0..cpus() {
        the_slot_is_deleted_before_the_fault(cpu);
        the_slot_is_revoked_while_the_fault_waits(cpu);
        a_fault_that_was_received_is_still_answered(cpu);
        threads_inherit_the_handler_and_lose_it(cpu);
    }
    wrong_capabilities();
    check!(unbinding_frees_all(before), "heap: {before} bytes before, {:?}", Kernel::system_information());
    println!("handler_binding: all cases hold on {} CPUs", cpus());
    0
}

/// A child whose faults come to a copy of an endpoint: child, endpoint, copy.
fn bound(argument: u64, cpu: u64) -> (Suspended, u64, u64) {
    let (child, endpoint) = (child::start("handler_binding", argument, cpu), child::endpoint());
    let copy = copy_capability(endpoint, rights::SEND, 7, 0);
    let Ok(copy) = copy else { programs::wrong(file!(), format_args!("no copy: {copy:?}")) };
    check!(set_fault_handler(child.thread, copy) == Ok(0), "not bound");
    (child, endpoint, copy)
}

fn is_shut_down(end: &ProgramEnd) -> bool {
    end.cause == EndCause::Trap as u64 && end.trap == TrapNumber::UNKNOWN_INSTRUCTION.to_bits()
}

/// Lets the thread whose fault was received last go on behind the instruction.
fn skip() {
    // SAFETY: only the first thread comes here.
    let utcb = unsafe { first_utcb() };
    check!(read_fault_registers() == Ok(0), "no registers");
    let mut registers = utcb.registers();
    registers.instruction_pointer += 2;
    utcb.set_registers(&registers);
    check!(reply(MessageTag::new(REPLY_REGISTERS, 0), [0; 4]) == Ok(0), "not replied");
}

fn the_slot_is_deleted_before_the_fault(cpu: u64) {
    let (child, endpoint, copy) = bound(UNDEFINED, cpu);
    child::delete(&[copy]);
    child::resume(&child);
    let end = child::end();
    check!(is_shut_down(&end), "{end:x?}");
    check!(receive(endpoint, PLAIN.non_blocking()) == Err(Error::WouldBlock), "the fault arrived all the same");
    child::forget(&child);
    child::delete(&[endpoint]);
}

fn the_slot_is_revoked_while_the_fault_waits(cpu: u64) {
    let (child, endpoint, _copy) = bound(UNDEFINED, cpu);
    child::resume(&child);
    until_threads(child.program, 1, ThreadState::AtEndpoint);
    check!(revoke_capability(endpoint) == Ok(0), "not revoked");
    let end = child::end();
    check!(is_shut_down(&end), "{end:x?}");
    // The endpoint itself is open.
    check!(receive(endpoint, PLAIN.non_blocking()) == Err(Error::WouldBlock), "somebody is left in the queue");
    child::forget(&child);
    child::delete(&[endpoint]);
}

fn a_fault_that_was_received_is_still_answered(cpu: u64) {
    let (child, endpoint, copy) = bound(UNDEFINED, cpu);
    child::resume(&child);
    check!(child::fault(endpoint).cause == TrapNumber::UNKNOWN_INSTRUCTION.to_bits(), "another fault");
    child::delete(&[copy]);
    skip();
    // It goes on, to the second instruction, which nobody handles.
    let end = child::end();
    check!(is_shut_down(&end), "{end:x?}");
    child::forget(&child);
    child::delete(&[endpoint]);
}

fn threads_inherit_the_handler_and_lose_it(cpu: u64) {
    let (child, endpoint, copy) = bound(UNDEFINED_IN_A_THREAD, cpu);
    child::resume(&child);
    for _ in 0..2 {
        let message = child::message(endpoint);
        check!(message.badge == 7 && message.tag.label() == MessageTag::FAULT, "{message:?}");
        skip();
    }
    check!(child::exit() == 2, "the thread did not go on");
    child::forget(&child);

    let again = child::start("handler_binding", UNDEFINED_IN_A_THREAD, cpu);
    check!(set_fault_handler(again.thread, copy) == Ok(0), "not bound");
    child::resume(&again);
    let _fault = child::fault(endpoint);
    skip();
    // The second thread's own binding goes with the same slot.
    child::delete(&[copy]);
    let end = child::end();
    check!(is_shut_down(&end), "{end:x?}");
    child::forget(&again);
    child::delete(&[endpoint]);
}

fn wrong_capabilities() {
    let (child, endpoint) = (child::start("handler_binding", UNDEFINED, 0), child::endpoint());
    let only_receive = copy_capability(endpoint, rights::RECEIVE, 0, 0);
    let Ok(only_receive) = only_receive else { programs::wrong(file!(), format_args!("{only_receive:?}")) };
    check!(set_fault_handler(child.thread, only_receive) == Err(Error::NoRight), "bound without the right");
    check!(set_fault_handler(child.thread, child.thread) == Err(Error::BadCapability), "a thread is no endpoint");
    check!(set_fault_handler(child.thread, 4000) == Err(Error::BadCapability), "bound an empty slot");
    check!(set_fault_handler(endpoint, endpoint) == Err(Error::BadCapability), "an endpoint is no thread");
    // A refused binding leaves the one before.
    check!(set_fault_handler(child.thread, endpoint) == Ok(0), "not bound");
    check!(set_fault_handler(child.thread, only_receive) == Err(Error::NoRight), "bound without the right");
    child::resume(&child);
    let _fault = child::fault(endpoint);
    check!(set_fault_handler(child.thread, endpoint) == Err(Error::WrongState), "bound to a thread that runs");
    check!(delete_capability(only_receive) == Ok(0) && delete_capability(endpoint) == Ok(0), "not deleted");
    // The reply is still owed. Receiving elsewhere gives it up.
    let other = child::endpoint();
    check!(receive(other, PLAIN.non_blocking()) == Err(Error::WouldBlock), "a message from nobody");
    let end = child::end();
    check!(is_shut_down(&end), "{end:x?}");
    child::forget(&child);
    child::delete(&[other]);
}

/// Whether the heap has what it had, give or take what tables have grown by.
fn unbinding_frees_all(before: u64) -> bool {
    const GROWTH: u64 = 16 * 1024;
    gatehouse_runtime::time::wait_until(SECOND, || {
        Kernel::system_information().is_ok_and(|system| system.heap_bytes_in_use <= before + GROWTH)
    })
}
