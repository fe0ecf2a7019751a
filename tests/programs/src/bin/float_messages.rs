//! Calls and faults between threads with and without floating-point state: each keeps its own, and sees nobody else's.
//!
//! Once a thread has used the unit its state is saved and loaded whenever it gives way, also by the fast path from one thread
//! to another. The first program is the server of its own second instances.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{EndCause, MessageTag, ProgramEnd, SLOT_FIRST_FREE, rights};
use gatehouse_runtime::time::SECOND;
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::message::{
    call, copy_capability, create_endpoint, first_utcb, receive, reply_receive, resume_thread, set_fault_handler,
    spawn_suspended,
};
use programs::{check, cpus};

entry!(run);

/// A client that never touches the unit until the end.
const WITHOUT: u64 = 1;
/// A client that keeps a pattern in it.
const WITH: u64 = 2;
/// Calls of each client, every one followed by a fault.
const ROUNDS: u64 = 50;
/// The label of the last call.
const DONE: u16 = 1;
const CLIENT_PATTERN: u64 = 0x0123_4567_89ab_cdef;
const SERVER_PATTERN: u64 = 0xfedc_ba98_7654_3210;

fn run(argument: u64) -> u64 {
    if argument != 0 {
        return client(argument == WITH);
    }
    for cpu in [Kernel::cpu_number(), (Kernel::cpu_number() + 1) % cpus()] {
        serve(WITHOUT, cpu);
        serve(WITH, cpu);
    }
    set_pattern(SERVER_PATTERN);
    for cpu in [Kernel::cpu_number(), (Kernel::cpu_number() + 1) % cpus()] {
        serve(WITHOUT, cpu);
        check!(pattern() == [SERVER_PATTERN; 3], "the server's registers: {:x?}", pattern());
        serve(WITH, cpu);
        check!(pattern() == [SERVER_PATTERN; 3], "the server's registers: {:x?}", pattern());
    }
    println!("float_messages: every thread kept its registers on {} CPUs", cpus());
    0
}

fn serve(kind: u64, cpu: u64) {
    // SAFETY: this is the first thread.
    let utcb = unsafe { first_utcb() };
    let client = spawn_suspended("float_messages", kind, cpu, &utcb);
    let endpoint = create_endpoint();
    let (Ok(client), Ok(endpoint)) = (client, endpoint) else {
        check!(false, "no client or no endpoint: {client:?} {endpoint:?}");
        return;
    };
    check!(copy_capability(endpoint, rights::SEND, 7, client.program) == Ok(SLOT_FIRST_FREE), "no capability");
    check!(set_fault_handler(client.thread, endpoint).is_ok(), "no handler");
    check!(resume_thread(client.thread).is_ok(), "the client does not start");
    let mut message = receive(endpoint, MessageTag::default());
    let (mut calls, mut faults) = (0, 0);
    while let Ok(received) = message {
        match received.tag.label() {
            MessageTag::FAULT => faults += 1,
            DONE => break,
            _ => calls += 1,
        }
        message = reply_receive(endpoint, MessageTag::default(), [received.words[0] + 1, 0, 0, 0]);
    }
    check!((calls, faults) == (ROUNDS, ROUNDS), "{calls} calls and {faults} faults: {message:?}");
    // The client waits for a reply that this ends by receiving again.
    check!(receive(endpoint, MessageTag::default().non_blocking()).is_err(), "a message that nobody sent");
    let end = Kernel::wait_program(10 * SECOND);
    let is_good = |end: &ProgramEnd| end.cause == EndCause::Exited as u64 && end.status == 0;
    let as_expected = matches!(&end, Ok(Some(end)) if is_good(end));
    check!(as_expected, "the client of kind {kind} on CPU {cpu}: {end:?}");
}

/// Answers 0 if its registers stayed its own.
fn client(uses_the_unit: bool) -> u64 {
    if uses_the_unit {
        set_pattern(CLIENT_PATTERN);
    }
    for round in 0..ROUNDS {
        let answer = call(SLOT_FIRST_FREE, MessageTag::new(0, 1), [round, 0, 0, 0]);
        if !answer.is_ok_and(|message| message.words[0] == round + 1) {
            return 1;
        }
        breakpoint();
    }
    let expected = if uses_the_unit { CLIENT_PATTERN } else { 0 };
    let found = pattern();
    let _gone = call(SLOT_FIRST_FREE, MessageTag::new(DONE, 0), [0; 4]);
    u64::from(found != [expected; 3]) * 2
}

fn breakpoint() {
    #[cfg(target_os = "none")]
    // SAFETY: the handler lets the thread go on behind it.
    unsafe {
        core::arch::asm!("int3", options(nomem, nostack));
    }
}

/// Puts the pattern into the first, a middle and the last register. The compiler uses none of them.
fn set_pattern(pattern: u64) {
    #[cfg(target_os = "none")]
    // SAFETY: programs are compiled without these registers.
    unsafe {
        core::arch::asm!("movq xmm0, {0}", "movq xmm7, {0}", "movq xmm15, {0}", in(reg) pattern, options(nomem, nostack));
    }
    #[cfg(not(target_os = "none"))]
    let _ = pattern;
}

/// What is in those registers.
fn pattern() -> [u64; 3] {
    let (first, middle, last): (u64, u64, u64);
    #[cfg(target_os = "none")]
    // SAFETY: as above.
    unsafe {
        core::arch::asm!("movq {0}, xmm0", "movq {1}, xmm7", "movq {2}, xmm15",
            out(reg) first, out(reg) middle, out(reg) last, options(nomem, nostack));
    }
    #[cfg(not(target_os = "none"))]
    {
        (first, middle, last) = (0, 0, 0);
    }
    [first, middle, last]
}
