//! A fault handler that does not reply in time: the faulting program is shut down, with a reason of its own.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{EndCause, Error, MessageTag, ProgramEnd, REPLY_REGISTERS, TrapNumber};
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::SECOND;
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::message::{
    SELF, Suspended, first_utcb, read_fault_registers, receive, reply, set_fault_handler_within,
};
use programs::{check, child, cpus};

entry!(run);

/// What a second instance does: goes through so many undefined instructions.
const FAULTS: u64 = 200;

const LIMIT: u64 = SECOND / 4;

fn run(argument: u64) -> u64 {
    match argument {
        0 => cases(),
        faults => {
            (0..faults).for_each(|_| undefined());
            faults
        }
    }
}

fn undefined() {
    #[cfg(target_os = "none")]
    // SAFETY: the handler skips the instruction, or this program ends.
    unsafe {
        core::arch::asm!("ud2", options(nomem, nostack));
    }
}

fn cases() -> u64 {
    let before = Kernel::system_information().map_or((0, 0), |system| (system.threads, system.programs));
    for cpu in 0..cpus() {
        nobody_receives(cpu);
        nobody_replies(cpu);
        replies_in_time(cpu);
        the_receiver_ends(cpu);
    }
    let now = || Kernel::system_information().map_or((0, 0), |system| (system.threads, system.programs));
    check!(gatehouse_runtime::time::wait_until(SECOND, || now() == before), "{before:?} before, {:?} after", now());
    println!("handler_deadline: all cases hold on {} CPUs", cpus());
    0
}

fn start(faults: u64, cpu: u64, limit: u64) -> (Suspended, u64) {
    let (child, endpoint) = (child::start("handler_deadline", faults, cpu), child::endpoint());
    check!(set_fault_handler_within(child.thread, endpoint, limit) == Ok(0), "not bound");
    (child, endpoint)
}

/// Waits for the child to end for its deadline, which began after `since`.
fn timed_out(since: u64) {
    ended_in_time(&child::end(), since, LIMIT);
}

fn ended_in_time(end: &ProgramEnd, since: u64, limit: u64) {
    let taken = Kernel::clock() - since;
    check!(end.cause == EndCause::HandlerTimeout as u64, "{end:x?}");
    check!(end.trap == TrapNumber::UNKNOWN_INSTRUCTION.to_bits() && end.vector == 6, "{end:x?}");
    check!(taken >= limit, "ended after {taken} ns");
}

fn nobody_receives(cpu: u64) {
    let (child, endpoint) = start(1, cpu, LIMIT);
    let since = Kernel::clock();
    child::resume(&child);
    timed_out(since);
    let left = receive(endpoint, MessageTag::new(0, 0).non_blocking());
    check!(left == Err(Error::WouldBlock), "the fault is still there: {left:?}");
    child::forget(&child);
    child::delete(&[endpoint]);
}

fn nobody_replies(cpu: u64) {
    // However slow the host is, one of the limits leaves the time to receive the fault.
    let received = (0..6).any(|doublings| nobody_replies_within(cpu, LIMIT << doublings));
    check!(received, "every limit was over before the fault was received");
}

/// `false`: the limit was over before the fault was received.
fn nobody_replies_within(cpu: u64, limit: u64) -> bool {
    let (child, endpoint) = start(1, cpu, limit);
    let since = Kernel::clock();
    child::resume(&child);
    let (received, end) = match child::fault_or_end(endpoint) {
        Ok(_fault) => (true, child::end()),
        Err(end) => (false, end),
    };
    ended_in_time(&end, since, limit);
    check!(reply(MessageTag::new(0, 0), [0; 4]) == Err(Error::WrongState), "a late reply was taken");
    check!(read_fault_registers() == Err(Error::WrongState), "registers of nobody");
    child::forget(&child);
    child::delete(&[endpoint]);
    received
}

fn replies_in_time(cpu: u64) {
    let (child, endpoint) = start(FAULTS, cpu, 20 * SECOND);
    child::resume(&child);
    // SAFETY: only the first thread comes here.
    let utcb = unsafe { first_utcb() };
    for _ in 0..FAULTS {
        let _fault = child::fault(endpoint);
        check!(read_fault_registers() == Ok(0), "no registers");
        let mut registers = utcb.registers();
        registers.instruction_pointer += 2;
        utcb.set_registers(&registers);
        check!(reply(MessageTag::new(REPLY_REGISTERS, 0), [0; 4]) == Ok(0), "not replied");
    }
    check!(child::exit() == FAULTS, "another status");
    child::forget(&child);
    child::delete(&[endpoint]);
}

/// With a deadline that is still to come.
fn the_receiver_ends(cpu: u64) {
    let (child, endpoint) = start(1, cpu, 60 * SECOND);
    let receiver =
        Thread::spawn(|endpoint| u64::from(receive(endpoint, MessageTag::new(0, 0)).is_err()), endpoint, cpu);
    let Ok(receiver) = receiver else { programs::wrong(file!(), format_args!("no thread: {receiver:?}")) };
    child::resume(&child);
    check!(receiver.join(20 * SECOND) == Some(0), "nothing received");
    let end = child::end();
    check!(end.cause == EndCause::Trap as u64, "{end:x?}");
    check!(set_fault_handler_within(SELF, endpoint, 1) == Ok(0), "not bound to the caller");
    child::forget(&child);
    child::delete(&[endpoint]);
}
