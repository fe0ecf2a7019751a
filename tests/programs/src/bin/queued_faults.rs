//! Faults of many threads on all CPUs wait in the queue of an endpoint when its capability is revoked and deleted: the program
//! is shut down, once, and nothing is left. A first program.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{Error, TrapNumber, rights};
use gatehouse_runtime::memory::PAGE_SIZE;
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::MILLISECOND;
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::message::{copy_capability, receive, revoke_capability};
use programs::{
    PAGED_REGION, PLAIN, check, child, cpus, delete, end, endpoint, forget, is_shut_down, nobody_ends, rounds, start,
};

entry!(run);

/// Threads that fault.
const THREADS: u64 = 16;

fn run(argument: u64) -> u64 {
    match argument {
        0 => cases(),
        cpus => fault_everywhere(cpus),
    }
}

fn cases() -> u64 {
    let cpus = cpus();
    rounds(0..8 * cpus, |round| {
        let program = child("queued_faults", cpus, round % cpus);
        let faults = endpoint();
        // Bound is a marked copy: revoking takes it away while its faults wait.
        let marked = copy_capability(faults, rights::SEND, 7, 0);
        let Ok(marked) = marked else { programs::wrong(file!(), format_args!("no copy: {marked:?}")) };
        start(program, Some(marked));
        // The time is the subject: from hardly anybody in the queue to all of them, or just one that comes while the endpoint goes.
        Kernel::sleep(round % 8 * MILLISECOND / 2);
        if round % 2 == 0 {
            let revoked = revoke_capability(faults);
            check!(revoked.is_ok(), "not revoked: {revoked:?}");
            let gone = receive(marked, PLAIN.non_blocking());
            check!(gone == Err(Error::BadCapability), "the revoked copy is there: {gone:?}");
        } else {
            delete(marked);
        }
        delete(faults);
        let end = end();
        check!(end.program == program.number, "{end:x?}");
        check!(is_shut_down(&end, TrapNumber::STORE_PAGE_FAULT) && end.vector == 14 && end.error_code == 6, "{end:x?}");
        let region = PAGED_REGION..PAGED_REGION + THREADS * PAGE_SIZE;
        check!(region.contains(&end.address) && end.address.is_multiple_of(PAGE_SIZE), "{end:x?}");
        check!(nobody_ends(), "it ended twice");
        forget(program);
    });
    println!("queued_faults: all are gone on {cpus} CPUs");
    0
}

fn fault_everywhere(cpus: u64) -> u64 {
    for number in 1..THREADS {
        let thread = Thread::spawn(fault, number, number % cpus);
        check!(thread.is_ok(), "no thread: {:?}", thread.err());
    }
    fault(0)
}

fn fault(number: u64) -> u64 {
    // SAFETY: nothing is there, and nobody maps it.
    unsafe { ((PAGED_REGION + number * PAGE_SIZE) as *mut u64).write_volatile(1) };
    programs::wrong(file!(), format_args!("thread {number} goes on"))
}
