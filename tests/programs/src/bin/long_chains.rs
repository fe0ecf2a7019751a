//! Ends that bring other ends: chains as long as a program cares to make them must not nest in the kernel.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{EndCause, Error, MessageTag, rights};
use gatehouse_runtime::array::MappedArray;
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::{SECOND, wait_until};
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::message::{Suspended, call, copy_capability, receive, set_fault_handler};
use programs::{check, child, cpus};

entry!(run);

const PLAIN: MessageTag = MessageTag::new(0, 0);

/// Programs in a chain, each the handler of the one before.
const PROGRAMS: u64 = 400;
/// Threads of one program in a chain, each waiting for the reply of the next.
const THREADS: u64 = 1000;

/// What a second instance does, in the low byte of its argument.
const RECEIVE_AND_FAULT: u64 = 1;
const CHAIN_OF_THREADS: u64 = 2;

/// Where a link of a chain finds the endpoint on which it receives.
const OWN_ENDPOINT: u64 = gatehouse_runtime::abi::SLOT_FIRST_FREE;

fn run(argument: u64) -> u64 {
    match argument {
        RECEIVE_AND_FAULT => {
            let received = receive(OWN_ENDPOINT, PLAIN);
            undefined();
            u64::from(received.is_err())
        }
        CHAIN_OF_THREADS => chain_of_threads(),
        _ => cases(),
    }
}

fn undefined() {
    #[cfg(target_os = "none")]
    // SAFETY: the program ends here.
    unsafe {
        core::arch::asm!("ud2", options(nomem, nostack));
    }
}

fn cases() -> u64 {
    for cpu in 0..cpus().min(2) {
        programs_handle_each_others_faults(cpu);
        threads_wait_for_each_others_replies(cpu);
    }
    println!("long_chains: all cases hold on {} CPUs", cpus());
    0
}

/// Each program receives the fault of the one before, and faults itself. The last one's handler goes.
fn programs_handle_each_others_faults(cpu: u64) {
    let children = MappedArray::filled(PROGRAMS as usize, None::<Suspended>);
    let Ok(mut children) = children else { programs::wrong(file!(), format_args!("no memory")) };
    let last = child::endpoint();
    let mut handler = last;
    for place in children.iter_mut() {
        let (link, endpoint) = (child::start("long_chains", RECEIVE_AND_FAULT, cpu), child::endpoint());
        check!(set_fault_handler(link.thread, handler) == Ok(0), "not bound");
        let given = copy_capability(endpoint, rights::RECEIVE, 0, link.program);
        check!(given == Ok(OWN_ENDPOINT), "{given:?}");
        child::resume(&link);
        handler = endpoint;
        *place = Some(link);
    }
    // The link that was made last receives this message and faults, which the link before receives, and so on.
    check!(programs::raw::message::send(handler, PLAIN, [0; 4]) == Ok(0), "not sent");
    let _fault = child::fault(last);
    // Receiving again without a reply ends the first link, which ends the second, and so on.
    let elsewhere = child::endpoint();
    check!(receive(elsewhere, PLAIN.non_blocking()) == Err(Error::WouldBlock), "a message from nobody");
    for _ in 0..PROGRAMS {
        let end = child::end();
        check!(end.cause == EndCause::Trap as u64, "{end:x?}");
    }
    for link in children.iter().flatten() {
        child::forget(link);
    }
}

/// Threads of one program, each calling the next; the program is killed.
fn threads_wait_for_each_others_replies(cpu: u64) {
    let threads = || Kernel::system_information().map_or(0, |system| system.threads);
    let before = threads();
    let child = child::start("long_chains", CHAIN_OF_THREADS, cpu);
    let endpoint = child::endpoint();
    check!(copy_capability(endpoint, rights::SEND, 0, child.program) == Ok(OWN_ENDPOINT), "not given");
    child::resume(&child);
    let _ready = child::message(endpoint);
    check!(programs::raw::control::kill_program(child.program) == Ok(0), "not killed");
    let end = child::end();
    check!(end.cause == EndCause::Killed as u64, "{end:x?}");
    child::forget(&child);
    child::delete(&[endpoint]);
    check!(wait_until(5 * SECOND, || threads() == before), "{before} threads before, {} after", threads());
}

/// Each thread receives the call of the one before, and calls the next; the last calls the parent.
fn chain_of_threads() -> u64 {
    let mut first = 0;
    let mut next = OWN_ENDPOINT;
    for _ in 0..THREADS {
        let own = child::endpoint();
        let thread = Thread::spawn(receive_and_call, own << 32 | next, Kernel::cpu_number());
        check!(thread.is_ok(), "{thread:?}");
        (first, next) = (own, own);
    }
    u64::from(call(first, PLAIN, [0; 4]).is_ok())
}

fn receive_and_call(endpoints: u64) -> u64 {
    let (own, next) = (endpoints >> 32, endpoints & 0xffff_ffff);
    if receive(own, PLAIN).is_err() {
        return 1;
    }
    u64::from(call(next, PLAIN, [0; 4]).is_err())
}
