//! A program begins with the registers that abi.md names, whatever program ran before on its CPU or runs in turns with it; a thread
//! keeps its own over moves; nothing of it is seen by whoever runs next by the fast path of a message.
//!
//! The first program starts second instances of itself: one that fills every register it can load and gives way again and again,
//! one that looks at all of them first thing, one that moves, one that calls.
#![cfg_attr(target_os = "none", no_std, no_main)]

mod registers;

use gatehouse_runtime::abi::{EndCause, MessageTag, SLOT_FIRST_FREE, rights};
use gatehouse_runtime::time::SECOND;
use gatehouse_runtime::{Kernel, println};
use programs::raw::message::{call, copy_capability, receive, reply_receive, resume_thread};
use programs::{BaseRegister, check, child, cpus, ok};
use registers::{Start, UnitImage, fill_and_give_way, load_selectors, selectors};

/// Looks at everything first thing.
const LOOKS: u64 = 1;
/// Fills everything, and gives way.
const FILLS: u64 = 2;
/// Fills the floating-point unit, and moves.
const MOVES: u64 = 3;
/// Loads selectors, and calls.
const CALLS: u64 = 4;

/// Programs that look while another one fills, on each CPU.
const LOOKERS: u64 = 6;
/// Calls by the fast path.
const ROUNDS: u64 = 20;
/// Selectors that ring 3 may load: the user's data segment and null with a privilege level of its own.
const LOADED: [u16; 4] = [0x1b, 3, 0x1b, 1];
const NULL: [u16; 4] = [0; 4];

/// Where [`registers`] leads with what the program found.
fn run(argument: u64, start: &Start) -> u64 {
    match argument {
        0 => lead(),
        LOOKS => look(start),
        FILLS => fill_and_give_way(),
        MOVES => travel(),
        _ => call_in_rounds(),
    }
}

fn lead() -> u64 {
    for cpu in 0..cpus() {
        // On a fresh CPU, after one that has gone, and beside one.
        alone(LOOKS, cpu);
        alone(FILLS, cpu);
        alone(LOOKS, cpu);
        let _number = ok("the program that fills", Kernel::spawn_program("foreign_state", FILLS, cpu));
        for _ in 0..LOOKERS {
            let _number = ok("the program that looks", Kernel::spawn_program("foreign_state", LOOKS, cpu));
        }
        (0..=LOOKERS).for_each(|_| good_end(cpu));
        alone(MOVES, cpu);
    }
    serve();
    println!("foreign_state: nobody saw anybody's registers on {} CPUs", cpus());
    0
}

fn alone(role: u64, cpu: u64) {
    let _number = ok("a program", Kernel::spawn_program("foreign_state", role, cpu));
    good_end(cpu);
}

fn good_end(cpu: u64) {
    let end = Kernel::wait_program(20 * SECOND);
    let is_good = matches!(&end, Ok(Some(end)) if end.cause == EndCause::Exited as u64 && end.status == 0);
    check!(is_good, "a program on CPU {cpu}: {end:x?}");
}

/// Checks what the program began with.
fn look(start: &Start) -> u64 {
    if let Some((what, value)) = start.difference(LOOKS) {
        check!(false, "a program begins with {what} {value:#x}");
    }
    if let Some((offset, value)) = start.unit.first_foreign_byte() {
        check!(false, "a program begins with byte {offset} of its floating-point state {value:#x}");
    }
    // Only now, as this needs no register that was looked at.
    check!(BaseRegister::Fs.is(0) && BaseRegister::Gs.is(0), "a program begins with an FS or GS base");
    0
}

/// Moves to each CPU and back; the unit must come along.
fn travel() -> u64 {
    registers::fill_unit(0x5a);
    let before = UnitImage::take();
    check!(before.first_foreign_byte().is_some(), "nothing was filled");
    for cpu in (0..cpus()).rev().chain(0..cpus()) {
        // SAFETY: selectors mean nothing here.
        unsafe { load_selectors(LOADED) };
        let here = Kernel::cpu_number();
        ok("a move", Kernel::move_to_cpu(cpu));
        check!(here == cpu || selectors() == NULL, "selectors after a move: {:x?}", selectors());
        let after = UnitImage::take();
        let difference = before.difference(&after);
        check!(difference.is_none(), "moved to CPU {cpu}, byte {difference:x?} of the floating-point state");
    }
    0
}

/// The server of a client on the same CPU.
fn serve() {
    let client = child::start("foreign_state", CALLS, Kernel::cpu_number());
    let endpoint = child::endpoint();
    ok("a capability", copy_capability(endpoint, rights::SEND, 7, client.program));
    ok("the client starts", resume_thread(client.thread));
    let mut message = receive(endpoint, MessageTag::default());
    for round in 0..ROUNDS {
        check!(message.is_ok_and(|message| message.words[0] == round), "call {round}: {message:?}");
        check!(selectors() == NULL, "the server in round {round} has the client's selectors: {:x?}", selectors());
        // SAFETY: selectors mean nothing here.
        unsafe { load_selectors(LOADED) };
        if round + 1 < ROUNDS {
            message = reply_receive(endpoint, MessageTag::default(), [0; 4]);
        }
    }
    ok("the last reply", programs::raw::message::reply(MessageTag::default(), [0; 4]));
    good_end(Kernel::cpu_number());
}

fn call_in_rounds() -> u64 {
    for round in 0..ROUNDS {
        // SAFETY: selectors mean nothing here.
        unsafe { load_selectors(LOADED) };
        let answer = call(SLOT_FIRST_FREE, MessageTag::new(0, 1), [round, 0, 0, 0]);
        check!(answer.is_ok(), "call {round}: {answer:?}");
        check!(selectors() == NULL, "the client in round {round} has the server's selectors: {:x?}", selectors());
    }
    0
}

#[cfg(not(target_os = "none"))]
fn main() {
    registers::main();
}
