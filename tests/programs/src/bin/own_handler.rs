//! Programs that handle their own faults: a thread whose faults nobody but itself could receive, and one whose handler is
//! another thread of its program, which lets it go on, or kills the program and itself with it.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{MessageTag, REPLY_KILL, REPLY_RESUME, SLOT_FIRST_FREE, TrapNumber, rights};
use gatehouse_runtime::memory::PAGE_SIZE;
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::SECOND;
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::message::{SELF, copy_capability, receive, reply, set_fault_handler};
use programs::{
    PAGED_REGION, PLAIN, check, child, cpus, delete, end, endpoint, exits_well, fault_in_time, forget, is_shut_down,
    nobody_ends, rounds, start,
};

entry!(run);

/// What a second instance does, in bits 0 to 7 of its argument; bits 8 and up are the CPU of its second thread.
const ALONE: u64 = 1;
const SERVED: u64 = 2;
const KILLED: u64 = 3;

fn run(argument: u64) -> u64 {
    let other_cpu = argument >> 8;
    match argument & 0xff {
        ALONE => alone(),
        SERVED => with_second_thread(serve, other_cpu),
        KILLED => with_second_thread(kill, other_cpu),
        _ => cases(),
    }
}

fn cases() -> u64 {
    let cpus = cpus();
    rounds(0..cpus, |cpu| {
        nobody_but_itself(cpu, true);
        nobody_but_itself(cpu, false);
        for other in 0..cpus {
            let served = child("own_handler", SERVED | other << 8, cpu);
            start(served, None);
            exits_well(served);
            forget(served);
            let killed = child("own_handler", KILLED | other << 8, cpu);
            start(killed, None);
            let end = end();
            check!(is_shut_down(&end, TrapNumber::STORE_PAGE_FAULT) && end.address == PAGED_REGION, "{end:x?}");
            forget(killed);
        }
    });
    println!("own_handler: all cases hold on {cpus} CPUs");
    0
}

fn touch() -> u64 {
    // SAFETY: nothing else is in the region; the handler maps the page, or the program ends.
    unsafe { (PAGED_REGION as *mut u64).write_volatile(1) };
    0
}

/// Binds its faults to the endpoint that it alone would receive from, and faults.
fn alone() -> u64 {
    let bound = set_fault_handler(SELF, SLOT_FIRST_FREE);
    check!(bound.is_ok(), "not bound: {bound:?}");
    touch()
}

/// The thread waits for itself: everything else goes on, and who holds the endpoint too can end it.
fn nobody_but_itself(cpu: u64, receives: bool) {
    let alone = child("own_handler", ALONE, cpu);
    let faults = endpoint();
    let given = copy_capability(faults, rights::SEND | rights::RECEIVE, 0, alone.program);
    check!(given == Ok(SLOT_FIRST_FREE), "{given:?}");
    start(alone, None);
    check!(nobody_ends(), "it ended, which waits for itself");
    if receives {
        let (_, fault) = fault_in_time(faults);
        check!(fault.address == PAGED_REGION, "{fault:x?}");
        check!(reply(MessageTag::new(REPLY_KILL, 0), [0; 4]).is_ok(), "not replied");
    } else {
        // The copy keeps the endpoint open.
        let revoked = programs::raw::message::revoke_capability(faults);
        check!(revoked.is_ok(), "not revoked: {revoked:?}");
        delete(faults);
    }
    let end = end();
    check!(is_shut_down(&end, TrapNumber::STORE_PAGE_FAULT), "{end:x?}");
    if receives {
        delete(faults);
    }
    forget(alone);
}

/// Faults, with a second thread of the same program as the handler.
fn with_second_thread(handler: fn(u64) -> u64, cpu: u64) -> u64 {
    let faults = endpoint();
    let thread = Thread::spawn(handler, faults, cpu);
    let Ok(thread) = thread else { programs::wrong(file!(), format_args!("no thread: {:?}", thread.err())) };
    let bound = set_fault_handler(SELF, faults);
    check!(bound.is_ok(), "not bound: {bound:?}");
    touch();
    check!(thread.join(20 * SECOND) == Some(0), "the handler does not end");
    0
}

fn serve(faults: u64) -> u64 {
    check!(receive(faults, PLAIN).is_ok(), "no fault");
    let mapped = Kernel::map_memory(PAGED_REGION, PAGE_SIZE);
    check!(mapped.is_ok(), "not mapped: {mapped:?}");
    check!(reply(MessageTag::new(REPLY_RESUME, 0), [0; 4]).is_ok(), "not replied");
    0
}

fn kill(faults: u64) -> u64 {
    check!(receive(faults, PLAIN).is_ok(), "no fault");
    let _ = reply(MessageTag::new(REPLY_KILL, 0), [0; 4]);
    programs::wrong(file!(), format_args!("it goes on, whose program it has just ended"))
}
