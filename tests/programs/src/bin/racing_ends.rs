//! Ends that meet what other CPUs do at the same moment: the last reference to something goes in the middle of a system call, in
//! an interrupt, or while its wait is being changed.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::hint::spin_loop;
use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::abi::{
    EndCause, Error, ProgramEnd, SLOT_FIRST_FREE, ThreadInformation, ThreadState, TrapNumber, rights,
};
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::{SECOND, wait_until};
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::control::kill_program;
use programs::raw::debugger::list_threads;
use programs::raw::device::{acknowledge_interrupt, bind_interrupt};
use programs::raw::message::{
    SELF, Suspended, call, copy_capability, create_endpoint, delete_capability, read_saved_registers, receive, reply,
    save_reply, set_fault_handler, set_fault_handler_within,
};
use programs::raw::notification;
use programs::real_time_clock::RealTimeClock;
use programs::waiting::until_so;
use programs::{PLAIN, check, child, cpus, number_in, ok};

entry!(run);

/// What a second instance does: the lowest byte of its argument. The rest says how long it waits on the way.
const READ_AGAINST_DELETE: u64 = 1;
const PAGER: u64 = 2;
const SIGNALLER: u64 = 3;
const DRIVER: u64 = 4;
const CALLER: u64 = 5;
const BREAKPOINT: u64 = 6;

/// How often each race is run on each CPU.
const ROUNDS: u64 = 40;
/// The limit of a handler that is gone when it is over.
const LIMIT: u64 = SECOND / 4;

fn run(argument: u64) -> u64 {
    let turns = argument >> 8;
    match argument & 0xff {
        0 => cases(),
        READ_AGAINST_DELETE => read_against_delete(turns),
        PAGER => page(),
        SIGNALLER => signal_and_fault(),
        DRIVER => drive(),
        CALLER => call_once(),
        _ => breakpoint(),
    }
}

/// All cases, or the one whose number is behind `case=` on the command line.
fn cases() -> u64 {
    let mut buffer = [0; 512];
    let line = ok("the command line", Kernel::command_line(&mut buffer));
    let only = number_in(line, "case=");
    let wanted = |case: u64| only.is_none_or(|only| only == case);
    let before = Kernel::system_information().map_or((0, 0), |system| (system.threads, system.programs));
    for cpu in 0..cpus() {
        for (number, case) in CASES.iter().enumerate().filter(|(number, _)| wanted(*number as u64)) {
            println!("racing_ends: case {number} on CPU {cpu}");
            case(cpu);
        }
    }
    if wanted(CASES.len() as u64) {
        a_driver_ends_while_it_is_interrupted();
    }
    let now = || Kernel::system_information().map_or((0, 0), |system| (system.threads, system.programs));
    check!(wait_until(20 * SECOND, || now() == before), "{before:?} before, {:?} after", now());
    println!("racing_ends: all cases hold on {} CPUs", cpus());
    0
}

/// What is tried on each CPU.
const CASES: [fn(u64); 5] = [
    registers_are_read_while_their_reply_is_deleted,
    a_signal_meets_the_end_of_whom_it_wakes,
    a_call_is_taken_while_its_program_is_killed,
    nobody_is_owed_a_reply_by_a_server_that_forgot,
    a_limit_ends_with_its_wait,
];

fn spin(turns: u64) {
    (0..turns).for_each(|_| spin_loop());
}

fn undefined() {
    #[cfg(target_os = "none")]
    // SAFETY: the program ends for it, or has a handler that does what it wants.
    unsafe {
        core::arch::asm!("ud2", options(nomem, nostack));
    }
}

fn next_cpu(cpu: u64, step: u64) -> u64 {
    (cpu + step) % cpus()
}

fn ends_by(cause: EndCause) -> ProgramEnd {
    let end = child::end();
    check!(end.cause == cause as u64, "{cause:?} was expected: {end:x?}");
    end
}

/// A program whose own thread handles the fault of another, and reads its registers from a saved reply while a third thread
/// deletes that: the program ends for the fault, and the reader with it, in the middle of its call.
fn registers_are_read_while_their_reply_is_deleted(cpu: u64) {
    for round in 0..ROUNDS {
        let child = child::start("racing_ends", READ_AGAINST_DELETE | (round * 7 % 300) << 8, cpu);
        child::resume(&child);
        let end = ends_by(EndCause::Trap);
        check!(end.trap == TrapNumber::UNKNOWN_INSTRUCTION.to_bits(), "another trap: {end:x?}");
        child::forget(&child);
    }
}

static ENDPOINT: AtomicU64 = AtomicU64::new(0);
static SLOT: AtomicU64 = AtomicU64::new(0);

fn read_against_delete(turns: u64) -> u64 {
    let here = Kernel::cpu_number();
    let endpoint = ok("an endpoint", create_endpoint());
    ENDPOINT.store(endpoint, Ordering::SeqCst);
    let threads = [Thread::spawn(fault_to_own_program, 0, here), Thread::spawn(delete_it, turns, next_cpu(here, 1))];
    check!(threads.iter().all(Result::is_ok), "no threads");
    let _fault = ok("the fault", receive(endpoint, PLAIN));
    let slot = ok("a saved reply", save_reply());
    SLOT.store(slot, Ordering::SeqCst);
    loop {
        let _registers = read_saved_registers(slot);
    }
}

fn fault_to_own_program(_argument: u64) -> u64 {
    let _bound = ok("the handler", set_fault_handler(SELF, ENDPOINT.load(Ordering::SeqCst)));
    undefined();
    0
}

fn delete_it(turns: u64) -> u64 {
    while SLOT.load(Ordering::SeqCst) == 0 {
        spin_loop();
    }
    spin(turns);
    let _deleted = delete_capability(SLOT.load(Ordering::SeqCst));
    0
}

/// A pager that owes one thread of a program a reply is killed while another thread of that program signals it: the signaller's
/// own program ends by its signal.
fn a_signal_meets_the_end_of_whom_it_wakes(cpu: u64) {
    check!(Kernel::move_to_cpu(next_cpu(cpu, 1)) == Ok(0), "not moved");
    for round in 0..2 * ROUNDS {
        let (endpoint, wanted) = (child::endpoint(), ok("a notification", notification::create()));
        let pager = child::start("racing_ends", PAGER, cpu);
        let signaller = child::start("racing_ends", SIGNALLER, cpu);
        for slot in [endpoint, wanted] {
            check!(copy_capability(slot, rights::ALL, 0, pager.program).is_ok(), "not given to the pager");
        }
        check!(copy_capability(wanted, rights::SEND, 0, signaller.program) == Ok(SLOT_FIRST_FREE), "not given");
        check!(set_fault_handler(signaller.thread, endpoint) == Ok(0), "not bound");
        child::resume(&pager);
        child::resume(&signaller);
        check!(wait_until(20 * SECOND, || awaits_reply(&signaller)), "the fault is not received");
        spin(round * 97 % 4000);
        check!(kill_program(pager.program) == Ok(0), "not killed");
        let ends = [child::end(), child::end()];
        for (number, cause) in [(pager.number, EndCause::Killed), (signaller.number, EndCause::Trap)] {
            let is_it = |end: &&ProgramEnd| end.program == number && end.cause == cause as u64;
            check!(ends.iter().any(|end| is_it(&end)), "{cause:?} of program {number} was expected: {ends:x?}");
        }
        child::forget(&pager);
        child::forget(&signaller);
        child::delete(&[endpoint, wanted]);
    }
}

fn page() -> u64 {
    let _fault = ok("the fault", receive(SLOT_FIRST_FREE, PLAIN));
    loop {
        let _bits = notification::wait(SLOT_FIRST_FREE + 1);
    }
}

fn signal_and_fault() -> u64 {
    check!(Thread::spawn(signal_for_ever, 0, Kernel::cpu_number()).is_ok(), "no thread");
    undefined();
    0
}

fn signal_for_ever(_argument: u64) -> u64 {
    loop {
        let _answer = notification::signal(SLOT_FIRST_FREE);
    }
}

/// The states of a program's threads, up to four.
fn states(child: &Suspended) -> ([ThreadInformation; 4], usize) {
    let mut room = [ThreadInformation::default(); 4];
    let count = ok("the threads", list_threads(child.program, &mut room));
    (room, count.min(4) as usize)
}

fn awaits_reply(child: &Suspended) -> bool {
    let (threads, count) = states(child);
    threads[..count].iter().any(|thread| thread.state == ThreadState::AwaitsReply as u64)
}

/// A server takes a call while the caller's program is killed. It never replies, and the program ends all the same.
fn a_call_is_taken_while_its_program_is_killed(cpu: u64) {
    for round in 0..ROUNDS {
        let endpoint = child::endpoint();
        let caller = child::start("racing_ends", CALLER, next_cpu(cpu, 1));
        check!(copy_capability(endpoint, rights::SEND, 0, caller.program) == Ok(SLOT_FIRST_FREE), "not given");
        ENDPOINT.store(endpoint, Ordering::SeqCst);
        TAKEN.store(0, Ordering::SeqCst);
        let server = Thread::spawn(take_and_keep, round * 31 % 500, cpu);
        let Ok(server) = server else { programs::wrong(file!(), format_args!("no thread: {server:?}")) };
        child::resume(&caller);
        check!(wait_until(20 * SECOND, || awaits_reply(&caller) || TAKEN.load(Ordering::SeqCst) != 0), "no call");
        spin(round * 53 % 500);
        check!(kill_program(caller.program) == Ok(0), "not killed");
        let _end = ends_by(EndCause::Killed);
        TAKEN.store(2, Ordering::SeqCst);
        check!(server.join(20 * SECOND) == Some(0), "the server saw something wrong");
        child::forget(&caller);
        child::delete(&[endpoint]);
    }
}

static TAKEN: AtomicU64 = AtomicU64::new(0);

fn take_and_keep(turns: u64) -> u64 {
    spin(turns);
    let _call = receive(ENDPOINT.load(Ordering::SeqCst), PLAIN);
    TAKEN.fetch_max(1, Ordering::SeqCst);
    until_so("told to reply", || TAKEN.load(Ordering::SeqCst) == 2);
    u64::from(reply(PLAIN, [0; 4]) != Err(Error::WrongState))
}

fn call_once() -> u64 {
    let answer = call(SLOT_FIRST_FREE, PLAIN, [1; 4]);
    check!(answer.is_err(), "an answer from a server that forgot: {answer:?}");
    loop {
        spin_loop();
    }
}

/// A server receives again instead of replying, and ends. Its client knows nothing of it any more: not while it computes, and
/// not when it ends itself.
fn nobody_is_owed_a_reply_by_a_server_that_forgot(cpu: u64) {
    let endpoint = child::endpoint();
    let caller = child::start("racing_ends", CALLER, cpu);
    check!(copy_capability(endpoint, rights::SEND, 0, caller.program) == Ok(SLOT_FIRST_FREE), "not given");
    ENDPOINT.store(endpoint, Ordering::SeqCst);
    let server = Thread::spawn(forget, 0, next_cpu(cpu, 1));
    let Ok(server) = server else { programs::wrong(file!(), format_args!("no thread: {server:?}")) };
    child::resume(&caller);
    check!(server.join(20 * SECOND) == Some(0), "the server saw something wrong");
    let (threads, count) = states(&caller);
    check!(count == 1, "{count} threads");
    check!(threads[0].state == ThreadState::Running as u64, "it computes, and is in state {}", threads[0].state);
    check!(kill_program(caller.program) == Ok(0), "not killed");
    let _end = ends_by(EndCause::Killed);
    child::forget(&caller);
    child::delete(&[endpoint]);
}

fn forget(_argument: u64) -> u64 {
    let endpoint = ENDPOINT.load(Ordering::SeqCst);
    let first = receive(endpoint, PLAIN);
    let second = receive(endpoint, PLAIN.non_blocking());
    u64::from(first.is_err() || second != Err(Error::WouldBlock))
}

/// A breakpoint waits for a handler with a time limit, which goes. The thread is paused, another handler without a limit is told of
/// it, and takes longer than the first might have.
fn a_limit_ends_with_its_wait(cpu: u64) {
    let (first, second) = (child::endpoint(), child::endpoint());
    let child = child::start("racing_ends", BREAKPOINT, cpu);
    check!(set_fault_handler_within(child.thread, first, LIMIT) == Ok(0), "not bound");
    child::resume(&child);
    let is_in = |state: ThreadState| states(&child).0[0].state == state as u64;
    check!(wait_until(20 * SECOND, || is_in(ThreadState::AtEndpoint) || is_in(ThreadState::Paused)), "no breakpoint");
    child::delete(&[first]);
    check!(wait_until(20 * SECOND, || is_in(ThreadState::Paused)), "not paused");
    check!(set_fault_handler(child.thread, second) == Ok(0), "not bound again");
    let fault = child::fault(second);
    check!(fault.cause == TrapNumber::BREAKPOINT.to_bits(), "another fault: {fault:x?}");
    // The time is the subject: the first handler's would be over.
    Kernel::sleep(2 * LIMIT);
    check!(reply(PLAIN, [0; 4]) == Ok(0), "the limit of the first handler has ended the program");
    check!(child::exit() == 6, "another status");
    child::forget(&child);
    child::delete(&[second]);
}

fn breakpoint() -> u64 {
    #[cfg(target_os = "none")]
    // SAFETY: the handler lets it go on behind the instruction.
    unsafe {
        core::arch::asm!("int3", options(nomem, nostack));
    }
    6
}

/// A driver is killed while its device interrupts, again and again.
fn a_driver_ends_while_it_is_interrupted() {
    // Interrupts come to the driver's CPU, and the end from another one.
    check!(Kernel::move_to_cpu(cpus() - 1) == Ok(0), "not moved");
    let clock = RealTimeClock::create();
    let marked = ok("a copy", copy_capability(clock.notification, rights::SEND | rights::GRANT, 1, 0));
    for round in 0..4 * ROUNDS {
        let driver = child::start("racing_ends", DRIVER, 0);
        for slot in [clock.ports, clock.interrupt, clock.notification, marked] {
            check!(copy_capability(slot, rights::ALL, 0, driver.program).is_ok(), "not given");
        }
        child::resume(&driver);
        // The time is the subject: another moment of the driver's work each round.
        Kernel::sleep(SECOND / 1000 + round * 37_000 % (SECOND / 1000));
        check!(kill_program(driver.program) == Ok(0), "not killed");
        let _end = ends_by(EndCause::Killed);
        child::forget(&driver);
    }
    clock.stop();
    child::delete(&[clock.ports, clock.interrupt, clock.notification, marked]);
}

fn drive() -> u64 {
    let [ports, interrupt, notification, marked] = [0, 1, 2, 3].map(|slot| SLOT_FIRST_FREE + slot);
    let clock = RealTimeClock { ports, interrupt, notification };
    check!(bind_interrupt(interrupt, marked) == Ok(0), "not bound");
    clock.start();
    clock.clear();
    loop {
        let _bits = notification::wait(notification);
        clock.clear();
        let _done = acknowledge_interrupt(interrupt);
    }
}
