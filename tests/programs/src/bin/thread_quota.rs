//! A program that makes threads without end is refused at its quota, with an error of its own; others make theirs meanwhile;
//! a thread that ends makes room for another; and all is freed with the program. A first program.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{Error, MessageTag, SLOT_FIRST_FREE, SystemCall, rights};
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::{MILLISECOND, SECOND, wait_until};
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::message::{call, copy_capability, reply};
use programs::{
    PLAIN, check, child, cpus, delete, endpoint, exits_well, forget, receive_in_time, rounds, start, wrong,
};

entry!(run);

/// The most threads of a program, as the book has it.
const QUOTA: u64 = 4096;
/// What a second instance does: makes threads until that is refused, or a few.
const WITHOUT_END: u64 = 1;
const A_FEW: u64 = 2;

/// What a thread does.
const SLEEPS: u64 = 0;
const ENDS: u64 = 1;

fn run(argument: u64) -> u64 {
    match argument {
        WITHOUT_END => make_threads_without_end(),
        A_FEW => make_a_few(),
        _ => {
            let cpus = cpus();
            rounds(0..1, |_| reach_the_quota(cpus - 1));
            println!("thread_quota: {QUOTA} threads and no more, and none is left, on {cpus} CPUs");
            0
        }
    }
}

fn reach_the_quota(cpu: u64) {
    let (greedy, told) = (child("thread_quota", WITHOUT_END, cpu), endpoint());
    check!(copy_capability(told, rights::SEND, 0, greedy.program) == Ok(SLOT_FIRST_FREE), "not given");
    start(greedy, None);
    let message = receive_in_time(told);
    check!(message.words[0] == QUOTA, "refused at {} threads", message.words[0]);
    // It is at its quota; nobody else is.
    let modest = child("thread_quota", A_FEW, cpu);
    start(modest, None);
    exits_well(modest);
    forget(modest);
    check!(reply(PLAIN, [0; 4]) == Ok(0), "not replied");
    exits_well(greedy);
    forget(greedy);
    delete(told);
}

/// A thread that uses no stack.
fn make(what: u64, cpu: u64) -> Result<u64, Error> {
    let entry = thread as *const () as u64;
    // SAFETY: the thread uses no memory, so any address does for its stack.
    unsafe { Kernel::spawn_thread(entry, entry, what, cpu, (0, 0)) }
}

fn make_threads_without_end() -> u64 {
    let cpus = cpus();
    // The calling one is the first.
    let mut count = 1;
    let refused = loop {
        match make(SLEEPS, count % cpus) {
            Ok(_) => count += 1,
            Err(error) => break error,
        }
        check!(count <= QUOTA, "there is no end to it");
    };
    check!(refused == Error::QuotaReached, "{refused:?}");
    for cpu in 0..cpus {
        check!(make(SLEEPS, cpu) == Err(Error::QuotaReached), "one more, on CPU {cpu}");
    }
    let answer = call(SLOT_FIRST_FREE, MessageTag::new(0, 1), [count, 0, 0, 0]);
    check!(answer.is_ok(), "{answer:?}");
    // Ends with all its threads.
    0
}

/// As many as the quota, one after the other: what has ended does not count.
fn make_a_few() -> u64 {
    let cpus = cpus();
    for number in 0..QUOTA + 8 {
        let made = wait_until(20 * SECOND, || match make(ENDS, number % cpus) {
            Ok(_) => true,
            // Threads end when their CPUs come to run them.
            Err(Error::QuotaReached) => {
                Kernel::sleep(MILLISECOND);
                false
            }
            Err(error) => wrong(file!(), format_args!("thread {number}: {error:?}")),
        });
        check!(made, "thread {number}: no room");
    }
    match Thread::spawn(|argument| argument + 1, 7, cpus - 1) {
        Ok(thread) => check!(thread.join(20 * SECOND) == Some(8), "the last one does not answer"),
        Err(error) => wrong(file!(), format_args!("no last one: {error:?}")),
    }
    0
}

/// Hardware state: ring 3; RDI is [`SLEEPS`] or [`ENDS`]. Uses no stack. The system calls keep RDI.
#[unsafe(naked)]
extern "C" fn thread() -> ! {
    core::arch::naked_asm!(
        "test rdi, rdi",
        "jnz 3f",
        "2:",
        "mov rdi, -1",
        "mov eax, {sleep}",
        "syscall",
        "jmp 2b",
        "3:",
        "mov eax, {exit_thread}",
        "syscall",
        "ud2",
        sleep = const SystemCall::Sleep as u64,
        exit_thread = const SystemCall::ExitThread as u64,
    )
}
