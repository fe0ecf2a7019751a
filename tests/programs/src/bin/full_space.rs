//! A table of capabilities that is full: what needs a slot is refused and leaves nothing behind, what needs none works, faults
//! among them, and one free slot is enough to go on. A first program.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{Error, MessageTag, REPLY_KILL, TrapNumber, rights};
use gatehouse_runtime::{entry, println};
use programs::raw::message::{
    copy_capability, create_endpoint, delete_capability, first_utcb, reply, revoke_capability, spawn_suspended,
};
use programs::{
    PAGED_REGION, check, child, cpus, delete, end, endpoint, fault_in_time, forget, in_use, is_shut_down,
    nothing_is_left, rounds, start,
};

entry!(run);

/// Capabilities that a program may hold.
const MOST: u64 = 4096;

fn run(argument: u64) -> u64 {
    if argument == 1 {
        // SAFETY: nothing is there.
        unsafe { (PAGED_REGION as *mut u64).write_volatile(1) };
        return 1;
    }
    let cpus = cpus();
    rounds(0..cpus, with_a_full_table);
    println!("full_space: all cases hold on {cpus} CPUs");
    0
}

fn with_a_full_table(cpu: u64) {
    // SAFETY: only the first thread comes here.
    let utcb = unsafe { first_utcb() };
    let faults = endpoint();
    let faulter = child("full_space", 1, cpu);
    let mut copies = 0;
    let refusal = loop {
        match copy_capability(faults, rights::ALL, 0, 0) {
            Ok(_) => copies += 1,
            Err(error) => break error,
        }
        check!(copies <= MOST, "there is no end to it");
    };
    check!(refusal == Error::QuotaReached, "{refusal:?} after {copies} copies");
    check!(copies > MOST / 2, "only {copies} copies");

    for _ in 0..3 {
        let refused = [create_endpoint(), copy_capability(faults, rights::SEND, 1, 0)];
        check!(refused == [Err(Error::QuotaReached); 2], "{refused:?}");
        let before = in_use();
        let program = spawn_suspended("hello", 0, cpu, &utcb);
        check!(program == Err(Error::QuotaReached), "{program:?}");
        killed_unborn();
        nothing_is_left(&before);
    }

    // Faults need no slot.
    start(faulter, Some(faults));
    let (_, fault) = fault_in_time(faults);
    check!(fault.address == PAGED_REGION, "{fault:x?}");
    check!(reply(MessageTag::new(REPLY_KILL, 0), [0; 4]).is_ok(), "not replied");
    let end = end();
    check!(is_shut_down(&end, TrapNumber::STORE_PAGE_FAULT), "{end:x?}");

    // One slot is freed, used, and full it is again. A program needs two.
    delete(faulter.thread);
    let only = endpoint();
    check!(create_endpoint() == Err(Error::QuotaReached), "there was more than one slot");
    check!(delete_capability(only).is_ok(), "not deleted");
    let program = spawn_suspended("hello", 0, cpu, &utcb);
    check!(program == Err(Error::QuotaReached), "{program:?} in one slot");
    killed_unborn();
    let again = endpoint();
    check!(create_endpoint() == Err(Error::QuotaReached), "a refused program has left a slot");

    check!(revoke_capability(faults).is_ok(), "not revoked");
    [again, faulter.program, faults].into_iter().for_each(delete);
    let last = child("hello", 0, cpu);
    start(last, None);
    programs::exits_well(last);
    forget(last);
}

/// A program that was started and could not be handed over is told as killed.
fn killed_unborn() {
    let end = end();
    check!(end.cause == gatehouse_runtime::abi::EndCause::Killed as u64, "{end:x?}");
}
