//! A program that ends while its threads wait in every way there is, on all CPUs: all of them go, nothing of theirs is left
//! in an endpoint, and who owed one of them an answer owes it no more.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::abi::{
    Error, MessageTag, REPLY_RESUME, SLOT_FIRST_FREE, SLOT_OWN_PROGRAM, ThreadState, TrapNumber, rights,
};
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::{SECOND, wait_until};
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::message::{
    SELF, call, copy_capability, create_endpoint, receive, reply, send, set_fault_handler, write_memory,
};
use programs::waiting::until_threads;
use programs::{
    PAGED_REGION, PLAIN, check, child, cpus, delete, end, endpoint, fault_in_time, forget, receive_in_time, rounds,
    start,
};

entry!(run);

/// Where the child's slots are: an endpoint from which the parent does not receive, and two from which it does, once.
const UNHEARD: u64 = SLOT_FIRST_FREE;
const FAULTS: u64 = SLOT_FIRST_FREE + 1;
const CALLS: u64 = SLOT_FIRST_FREE + 2;
/// And one by which it says where its word is that the parent sets.
const READY: u64 = SLOT_FIRST_FREE + 3;

/// What the child exits with.
const STATUS: u64 = 42;

/// Threads of the child that are about to wait.
static ABOUT_TO_WAIT: AtomicU64 = AtomicU64::new(0);

/// Set by the parent, once it owes the answer to one of the threads.
static OWED: AtomicU64 = AtomicU64::new(0);

/// Every way to wait.
const WAYS: [fn(u64) -> u64; 8] = [
    |_| receive(create_endpoint().unwrap_or(0), PLAIN).is_ok() as u64,
    |_| send(UNHEARD, PLAIN, [0; 4]).is_ok() as u64,
    |_| call(UNHEARD, PLAIN, [0; 4]).is_ok() as u64,
    |_| fault_to(UNHEARD),
    |_| fault_to(FAULTS),
    |_| call(CALLS, PLAIN, [0; 4]).is_ok() as u64,
    |_| {
        Kernel::sleep(1000 * SECOND);
        1
    },
    |_| loop {
        core::hint::spin_loop();
    },
];

fn fault_to(endpoint: u64) -> u64 {
    let bound = set_fault_handler(SELF, endpoint);
    check!(bound.is_ok(), "not bound: {bound:?}");
    // SAFETY: nothing is there, and nobody maps it.
    unsafe { (PAGED_REGION as *mut u64).write_volatile(1) };
    1
}

fn run(argument: u64) -> u64 {
    match argument {
        0 => cases(),
        cpus => wait_in_every_way(cpus),
    }
}

fn cases() -> u64 {
    let cpus = cpus();
    rounds(0..4 * cpus, |round| {
        let program = child("blocked_threads", cpus, round % cpus);
        let endpoints @ [_, faults, calls, ready] = core::array::from_fn(|_| endpoint());
        let given = endpoints.map(|slot| copy_capability(slot, rights::SEND, 0, program.program));
        check!(given == [Ok(UNHEARD), Ok(FAULTS), Ok(CALLS), Ok(READY)], "{given:?}");
        start(program, None);
        let [owed, ..] = receive_in_time(ready).words;
        // Odd rounds answer the call at the end instead of the fault: a thread owes one answer.
        if round % 2 == 0 {
            let (_, fault) = fault_in_time(faults);
            check!(fault.cause == TrapNumber::STORE_PAGE_FAULT.to_bits(), "{fault:x?}");
        } else {
            let message = receive_in_time(calls);
            check!(message.tag == PLAIN, "{message:?}");
        }
        let told = write_memory(program.program, owed, &1_u64.to_le_bytes());
        check!(told == Ok(8), "{told:?}");
        let end = end();
        check!(end.program == program.number && end.cause == 0 && end.status == STATUS, "{end:x?}");
        let late = reply(MessageTag::new(REPLY_RESUME, 0), [0; 4]);
        check!(late == Err(Error::WrongState), "a thread that is gone was answered: {late:?}");
        for slot in endpoints {
            let nobody = receive(slot, PLAIN.non_blocking());
            check!(nobody == Err(Error::WouldBlock), "a message of nobody: {nobody:?}");
            delete(slot);
        }
        forget(program);
    });
    println!("blocked_threads: all are gone on {cpus} CPUs");
    0
}

/// Starts a thread for every way to wait, on all CPUs in turn, and ends the program.
fn wait_in_every_way(cpus: u64) -> u64 {
    let here = Kernel::cpu_number();
    for (number, _) in WAYS.iter().enumerate() {
        let thread = Thread::spawn(wait, number as u64, (here + number as u64) % cpus);
        check!(thread.is_ok(), "no thread: {:?}", thread.err());
    }
    let all = WAYS.len() as u64;
    check!(wait_until(20 * SECOND, || ABOUT_TO_WAIT.load(Ordering::Relaxed) == all), "not all threads run");
    check!(send(READY, MessageTag::new(0, 1), [&raw const OWED as u64, 0, 0, 0]).is_ok(), "not sent");
    check!(wait_until(20 * SECOND, || OWED.load(Ordering::Relaxed) == 1), "the parent takes nothing");
    // Those that sleep and those that spin look the same from outside, and may be on their way yet.
    until_threads(SLOT_OWN_PROGRAM, 4, ThreadState::AtEndpoint);
    until_threads(SLOT_OWN_PROGRAM, 1, ThreadState::AwaitsReply);
    Kernel::exit_program(STATUS)
}

fn wait(way: u64) -> u64 {
    ABOUT_TO_WAIT.fetch_add(1, Ordering::Relaxed);
    let answer = WAYS[way as usize](way);
    programs::wrong(file!(), format_args!("way {way} came back with {answer}"))
}
