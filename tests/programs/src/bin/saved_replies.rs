//! Replies that are put aside: answered in another order, by another thread, never, or too late.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::abi::{
    EndCause, Error, MessageTag, REPLY_KILL, REPLY_REGISTERS, SLOT_FIRST_FREE, TrapNumber, rights,
};
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::{MILLISECOND, SECOND, wait_until};
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::control::kill_program;
use programs::raw::message::{
    Suspended, call, copy_capability, delete_capability, first_utcb, read_fault_registers, read_saved_registers,
    receive, reply, reply_to, save_reply, set_fault_handler, set_fault_handler_within,
};
use programs::{check, child, cpus};

entry!(run);

const PLAIN: MessageTag = MessageTag::new(0, 0);

/// What a second instance does.
const CALL: u64 = 1;
const UNDEFINED: u64 = 2;

/// Threads that call at the same time.
const CALLERS: usize = 8;

fn run(argument: u64) -> u64 {
    match argument {
        CALL => call(SLOT_FIRST_FREE, PLAIN, [5; 4]).map_or_else(|error| 1000 + error as u64, |answer| answer.words[0]),
        UNDEFINED => {
            #[cfg(target_os = "none")]
            // SAFETY: the handler skips the instruction, or this program ends.
            unsafe {
                core::arch::asm!("ud2", options(nomem, nostack));
            }
            77
        }
        _ => cases(),
    }
}

fn cases() -> u64 {
    let before = Kernel::system_information().map_or((0, 0), |system| (system.threads, system.programs));
    for cpu in 0..cpus() {
        many_in_another_order(cpu);
        a_fault(cpu);
        never(cpu);
        too_late(cpu);
        by_another_program_s_end(cpu);
    }
    wrong_slots();
    let now = || Kernel::system_information().map_or((0, 0), |system| (system.threads, system.programs));
    check!(wait_until(SECOND, || now() == before), "{before:?} before, {:?} after", now());
    println!("saved_replies: all cases hold on {} CPUs", cpus());
    0
}

fn start(what: u64, cpu: u64) -> (Suspended, u64) {
    let (child, endpoint) = (child::start("saved_replies", what, cpu), child::endpoint());
    if what == CALL {
        check!(copy_capability(endpoint, rights::SEND, 0, child.program) == Ok(SLOT_FIRST_FREE), "not given");
    } else {
        check!(set_fault_handler(child.thread, endpoint) == Ok(0), "not bound");
    }
    child::resume(&child);
    (child, endpoint)
}

fn saved() -> u64 {
    match save_reply() {
        Ok(slot) => slot,
        Err(error) => programs::wrong(file!(), format_args!("not saved: {error:?}")),
    }
}

static ENDPOINT: AtomicU64 = AtomicU64::new(0);

/// Several threads call; all are received before one is answered, the last one first, by a thread on another CPU.
fn many_in_another_order(cpu: u64) {
    let endpoint = child::endpoint();
    ENDPOINT.store(endpoint, Ordering::SeqCst);
    let callers: [_; CALLERS] =
        core::array::from_fn(|number| Thread::spawn(call_with, number as u64, (cpu + number as u64) % cpus()));
    let mut replies = [(0, 0); CALLERS];
    for place in &mut replies {
        let message = child::message(endpoint);
        *place = (saved(), message.words[0]);
        check!(reply(PLAIN, [0; 4]) == Err(Error::WrongState), "the right was saved and is still here");
    }
    REPLIES.store(replies.as_ptr() as u64, Ordering::SeqCst);
    let answers = Thread::spawn(answer_backwards, 0, cpu);
    let Ok(answers) = answers else { programs::wrong(file!(), format_args!("no thread: {answers:?}")) };
    check!(answers.join(20 * SECOND) == Some(0), "not answered");
    for caller in callers.into_iter().flatten() {
        check!(caller.join(20 * SECOND) == Some(0), "another answer");
    }
    for (slot, _) in replies {
        check!(reply_to(slot, PLAIN, [0; 4]) == Err(Error::BadCapability), "the slot is not empty");
    }
    child::delete(&[endpoint]);
}

static REPLIES: AtomicU64 = AtomicU64::new(0);

fn call_with(number: u64) -> u64 {
    let answer = call(ENDPOINT.load(Ordering::SeqCst), MessageTag::new(0, 1), [number; 4]);
    u64::from(!answer.is_ok_and(|answer| answer.words[0] == number * 3 && answer.tag.label() == 9))
}

fn answer_backwards(_argument: u64) -> u64 {
    let replies = REPLIES.load(Ordering::SeqCst) as *const [(u64, u64); CALLERS];
    // SAFETY: the first thread waits for this one, with the array on its stack.
    for (slot, number) in unsafe { &*replies }.iter().rev() {
        if reply_to(*slot, MessageTag::new(9, 1), [number * 3, 0, 0, 0]) != Ok(0) {
            return 1;
        }
    }
    0
}

fn a_fault(cpu: u64) {
    let (child, endpoint) = start(UNDEFINED, cpu);
    check!(child::fault(endpoint).cause == TrapNumber::UNKNOWN_INSTRUCTION.to_bits(), "another fault");
    let slot = saved();
    check!(read_fault_registers() == Err(Error::WrongState), "registers of nobody");
    check!(read_saved_registers(slot) == Ok(0), "no registers");
    // SAFETY: only the first thread comes here.
    let utcb = unsafe { first_utcb() };
    let mut registers = utcb.registers();
    registers.instruction_pointer += 2;
    utcb.set_registers(&registers);
    // Receiving meanwhile does not give the saved right up.
    check!(receive(endpoint, PLAIN.non_blocking()) == Err(Error::WouldBlock), "a message from nobody");
    check!(reply_to(slot, MessageTag::new(REPLY_REGISTERS, 0), [0; 4]) == Ok(0), "not replied");
    check!(child::exit() == 77, "another status");
    child::forget(&child);
    child::delete(&[endpoint]);

    let (child, endpoint) = start(UNDEFINED, cpu);
    let _fault = child::fault(endpoint);
    check!(reply_to(saved(), MessageTag::new(REPLY_KILL, 0), [0; 4]) == Ok(0), "not replied");
    check!(child::end().cause == EndCause::Trap as u64, "not shut down");
    child::forget(&child);
    child::delete(&[endpoint]);
}

/// The right goes unused: a caller is told, a faulting program is shut down.
fn never(cpu: u64) {
    let (child, endpoint) = start(CALL, cpu);
    let _message = child::message(endpoint);
    let (slot, copy) = {
        let slot = saved();
        (slot, copy_capability(slot, rights::ALL, 0, 0))
    };
    let Ok(copy) = copy else { programs::wrong(file!(), format_args!("no copy: {copy:?}")) };
    child::delete(&[slot]);
    check!(Kernel::wait_program(SECOND / 100) == Ok(None), "it was told though there is another capability");
    child::delete(&[copy]);
    check!(child::exit() == 1000 + Error::Gone as u64, "another answer");
    child::forget(&child);
    child::delete(&[endpoint]);

    let (child, endpoint) = start(UNDEFINED, cpu);
    let _fault = child::fault(endpoint);
    child::delete(&[saved()]);
    check!(child::end().cause == EndCause::Trap as u64, "not shut down");
    child::forget(&child);
    child::delete(&[endpoint]);
}

/// The client ends first: by being killed, or for its handler's time limit.
fn too_late(cpu: u64) {
    let (child, endpoint) = start(CALL, cpu);
    let _message = child::message(endpoint);
    let slot = saved();
    check!(kill_program(child.program) == Ok(0), "not killed");
    check!(child::end().cause == EndCause::Killed as u64, "another end");
    check!(reply_to(slot, PLAIN, [0; 4]) == Err(Error::WrongState), "replied to a program that ended");
    check!(delete_capability(slot) == Err(Error::BadCapability), "the slot is not empty");
    child::forget(&child);
    child::delete(&[endpoint]);

    // However slow the host is, one of the limits leaves the time to receive the fault and to save its reply.
    let saved_in_time = (0..10).any(|doublings| too_late_for(cpu, (20 * MILLISECOND) << doublings));
    check!(saved_in_time, "every limit was over before the reply was saved");
}

/// The handler's limit ends while its reply is saved. `false`: the limit was over before that.
fn too_late_for(cpu: u64, limit: u64) -> bool {
    let (child, endpoint) = (child::start("saved_replies", UNDEFINED, cpu), child::endpoint());
    check!(set_fault_handler_within(child.thread, endpoint, limit) == Ok(0), "not bound");
    child::resume(&child);
    let (slot, end) = match child::fault_or_end(endpoint) {
        Ok(_fault) => (Some(save_reply()), child::end()),
        Err(end) => (None, end),
    };
    check!(end.cause == EndCause::HandlerTimeout as u64, "another end: {end:x?}");
    child::forget(&child);
    child::delete(&[endpoint]);
    match slot {
        Some(Ok(slot)) => {
            check!(read_saved_registers(slot) == Err(Error::WrongState), "registers of nobody");
            check!(reply_to(slot, PLAIN, [0; 4]) == Err(Error::WrongState), "replied to a program that ended");
            true
        }
        None | Some(Err(Error::WrongState)) => false,
        Some(Err(error)) => programs::wrong(file!(), format_args!("not saved: {error:?}")),
    }
}

/// The right was given to another program, which ends without using it.
fn by_another_program_s_end(cpu: u64) {
    let (child, endpoint) = start(CALL, cpu);
    let _message = child::message(endpoint);
    let slot = saved();
    let other = child::start("saved_replies", CALL, cpu);
    check!(copy_capability(slot, rights::ALL, 0, other.program).is_ok(), "not given");
    child::delete(&[slot]);
    check!(kill_program(other.program) == Ok(0), "not killed");
    let ends = [child::end(), child::end()];
    check!(
        ends.iter().any(|end| end.program == child.number && end.status == 1000 + Error::Gone as u64),
        "the client was not told: {ends:x?}"
    );
    child::forget(&child);
    child::forget(&other);
    child::delete(&[endpoint]);
}

fn wrong_slots() {
    check!(save_reply() == Err(Error::WrongState), "saved a reply that nobody waits for");
    let endpoint = child::endpoint();
    for slot in [0, 1, endpoint, 4000, u64::MAX] {
        check!(reply_to(slot, PLAIN, [0; 4]) == Err(Error::BadCapability), "replied to slot {slot}");
    }
    check!(read_saved_registers(endpoint) == Err(Error::BadCapability), "registers of an endpoint");
    child::delete(&[endpoint]);
}
