//! Threads that are stopped and go on, wherever they run or wait; programs that are killed.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{EndCause, Error, MessageTag, SLOT_FIRST_FREE, ThreadState, rights};
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::{SECOND, wait_until};
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::control::{kill_program, suspend_thread};
use programs::raw::message::{
    SELF, Suspended, call, copy_capability, receive, reply_receive, resume_thread, send, set_fault_handler,
};
use programs::raw::notification::{create, poll, signal, wait_for};
use programs::waiting::until_threads;
use programs::{check, child, cpus};

entry!(run);

const PLAIN: MessageTag = MessageTag::new(0, 0);

/// What a second instance does with the object in its first granted slot.
const SIGNAL: u64 = 1;
const RECEIVE: u64 = 2;
const STOP_ITSELF: u64 = 3;
const CALL_MANY_TIMES: u64 = 4;
const SLEEP: u64 = 5;

/// Calls that a second instance makes.
const CALLS: u64 = 3000;

fn run(argument: u64) -> u64 {
    match argument {
        SIGNAL => loop {
            if signal(SLOT_FIRST_FREE) != Ok(0) {
                return 1;
            }
        },
        RECEIVE => receive(SLOT_FIRST_FREE, PLAIN).map_or(1000, |message| message.words[0]),
        STOP_ITSELF => {
            let stopped = suspend_thread(SELF);
            u64::from(stopped != Ok(0))
        }
        CALL_MANY_TIMES => {
            let answered = (0..CALLS).filter(|number| {
                call(SLOT_FIRST_FREE, PLAIN, [*number; 4]).is_ok_and(|answer| answer.words[0] == number + 1)
            });
            answered.count() as u64
        }
        SLEEP => {
            // Asked to stop, it does so when it wakes: the sleep is the subject.
            Kernel::sleep(SECOND / 50);
            50
        }
        _ => cases(),
    }
}

fn cases() -> u64 {
    let before = Kernel::system_information().map_or((0, 0), |system| (system.threads, system.programs));
    for cpu in 0..cpus() {
        one_that_runs(cpu);
        one_that_waits(cpu);
        one_that_sleeps(cpu);
        one_that_stops_itself(cpu);
        one_that_is_killed(cpu);
        one_that_calls(cpu);
    }
    wrong_capabilities();
    itself();
    let now = || Kernel::system_information().map_or((0, 0), |system| (system.threads, system.programs));
    check!(wait_until(SECOND, || now() == before), "{before:?} before, {:?} after", now());
    println!("suspension: all cases hold on {} CPUs", cpus());
    0
}

fn start(what: u64, object: u64, cpu: u64) -> Suspended {
    let child = child::start("suspension", what, cpu);
    check!(copy_capability(object, rights::ALL, 0, child.program) == Ok(SLOT_FIRST_FREE), "not given");
    child
}

fn notification() -> u64 {
    match create() {
        Ok(notification) => notification,
        Err(error) => programs::wrong(file!(), format_args!("no notification: {error:?}")),
    }
}

fn one_that_runs(cpu: u64) {
    let notification = notification();
    let child = start(SIGNAL, notification, cpu);
    child::resume(&child);
    for round in 0..20 {
        check!(wait_for(notification, 5 * SECOND) == Ok(1), "round {round}: it does not run");
        check!(suspend_thread(child.thread) == Ok(0), "not suspended");
        // What it did until it stopped; and nothing after.
        let _before = poll(notification);
        // Nothing tells that nothing comes: time in which it would signal.
        Kernel::sleep(SECOND / 1000);
        check!(poll(notification) == Err(Error::WouldBlock), "round {round}: it runs on");
        check!(suspend_thread(child.thread) == Ok(0), "suspending a suspended thread");
        check!(resume_thread(child.thread) == Ok(0), "not resumed");
        check!(resume_thread(child.thread) == Err(Error::WrongState), "resumed twice");
    }
    // A thread that has run can be given a handler while it is stopped.
    let endpoint = child::endpoint();
    check!(set_fault_handler(child.thread, endpoint) == Err(Error::WrongState), "bound while it runs");
    check!(suspend_thread(child.thread) == Ok(0), "not suspended");
    check!(set_fault_handler(child.thread, endpoint) == Ok(0), "not bound");
    check!(kill_program(child.program) == Ok(0), "not killed");
    killed(&child);
    child::delete(&[notification, endpoint]);
}

fn killed(child: &Suspended) {
    let end = child::end();
    check!(end.cause == EndCause::Killed as u64 && end.program == child.number, "{end:x?}");
    check!(kill_program(child.program) == Err(Error::Gone), "killed twice");
    check!(suspend_thread(child.thread) == Err(Error::Gone), "suspended after its end");
    check!(resume_thread(child.thread) == Err(Error::Gone), "resumed after its end");
    child::forget(child);
}

fn one_that_waits(cpu: u64) {
    let endpoint = child::endpoint();
    let child = start(RECEIVE, endpoint, cpu);
    child::resume(&child);
    until_threads(child.program, 1, ThreadState::AtEndpoint);
    check!(suspend_thread(child.thread) == Ok(0), "not suspended");
    // It still receives, and stops then.
    check!(send(endpoint, PLAIN, [4711, 0, 0, 0]) == Ok(0), "not sent");
    check!(Kernel::wait_program(SECOND / 50) == Ok(None), "it runs on");
    check!(resume_thread(child.thread) == Ok(0), "not resumed");
    check!(child::exit() == 4711, "another message");
    child::forget(&child);

    // Resumed before the wait is over, it never stops.
    let child = start(RECEIVE, endpoint, cpu);
    child::resume(&child);
    until_threads(child.program, 1, ThreadState::AtEndpoint);
    check!(suspend_thread(child.thread) == Ok(0), "not suspended");
    check!(resume_thread(child.thread) == Ok(0), "not resumed");
    check!(send(endpoint, PLAIN, [4712, 0, 0, 0]) == Ok(0), "not sent");
    check!(child::exit() == 4712, "another message");
    child::forget(&child);
    child::delete(&[endpoint]);
}

fn one_that_sleeps(cpu: u64) {
    let notification = notification();
    let child = start(SLEEP, notification, cpu);
    child::resume(&child);
    check!(suspend_thread(child.thread) == Ok(0), "not suspended");
    check!(Kernel::wait_program(SECOND / 20) == Ok(None), "it runs on");
    check!(resume_thread(child.thread) == Ok(0), "not resumed");
    check!(child::exit() == 50, "another status");
    child::forget(&child);
    child::delete(&[notification]);
}

fn one_that_stops_itself(cpu: u64) {
    let notification = notification();
    let child = start(STOP_ITSELF, notification, cpu);
    child::resume(&child);
    check!(Kernel::wait_program(SECOND / 100) == Ok(None), "it runs on");
    check!(wait_until(5 * SECOND, || resume_thread(child.thread) == Ok(0)), "not resumed");
    check!(child::exit() == 0, "the call failed");
    child::forget(&child);
    child::delete(&[notification]);
}

/// While it waits, while it has not been resumed, and while it runs.
fn one_that_is_killed(cpu: u64) {
    for what in [RECEIVE, SIGNAL] {
        for resumed in [true, false] {
            let object = if what == RECEIVE { child::endpoint() } else { notification() };
            let child = start(what, object, cpu);
            if resumed {
                child::resume(&child);
                if what == RECEIVE {
                    until_threads(child.program, 1, ThreadState::AtEndpoint);
                } else {
                    check!(wait_for(object, 20 * SECOND).is_ok(), "it does not run");
                }
            }
            check!(kill_program(child.program) == Ok(0), "not killed");
            killed(&child);
            child::delete(&[object]);
        }
    }
}

/// Calls go back and forth while threads on all CPUs stop the caller and let it go on.
fn one_that_calls(cpu: u64) {
    let endpoint = child::endpoint();
    let child = start(CALL_MANY_TIMES, endpoint, cpu);
    let server = Thread::spawn(serve, endpoint, (cpu + 1) % cpus());
    let Ok(server) = server else { programs::wrong(file!(), format_args!("no thread: {server:?}")) };
    child::resume(&child);
    loop {
        match suspend_thread(child.thread) {
            Ok(0) => check!(resume_thread(child.thread) == Ok(0), "not resumed"),
            Err(Error::Gone) => break,
            other => programs::wrong(file!(), format_args!("{other:?}")),
        }
        // So that it gets on between two stops.
        Kernel::sleep(SECOND / 20_000);
    }
    check!(child::exit() == CALLS, "answers are missing");
    child::forget(&child);
    child::delete(&[endpoint]);
    check!(server.join(20 * SECOND) == Some(0), "the server does not end");
}

/// Answers each call with its number and one, until the endpoint goes.
fn serve(endpoint: u64) -> u64 {
    let mut answer = 0;
    loop {
        match reply_receive(endpoint, PLAIN, [answer; 4]) {
            Ok(message) => answer = message.words[0] + 1,
            Err(Error::Gone | Error::BadCapability) => return 0,
            Err(_) => return 1,
        }
    }
}

fn wrong_capabilities() {
    let endpoint = child::endpoint();
    let child = start(RECEIVE, endpoint, 0);
    let Ok(weak) = copy_capability(child.thread, rights::ALL & !rights::CONTROL, 0, 0) else {
        programs::wrong(file!(), format_args!("no copy"))
    };
    let Ok(weak_program) = copy_capability(child.program, rights::ALL & !rights::CONTROL, 0, 0) else {
        programs::wrong(file!(), format_args!("no copy"))
    };
    check!(suspend_thread(weak) == Err(Error::NoRight), "suspended without the right");
    check!(resume_thread(weak) == Err(Error::NoRight), "resumed without the right");
    check!(kill_program(weak_program) == Err(Error::NoRight), "killed without the right");
    for slot in [endpoint, child.program, 4000, u64::MAX] {
        check!(suspend_thread(slot) == Err(Error::BadCapability), "suspended slot {slot}");
    }
    for slot in [0, endpoint, child.thread, 4000] {
        check!(kill_program(slot) == Err(Error::BadCapability), "killed slot {slot}");
    }
    check!(kill_program(child.program) == Ok(0), "not killed");
    killed(&child);
    child::delete(&[weak, weak_program, endpoint]);
}

/// The calling thread, by its capability and not by the number that means it.
fn itself() {
    let helper = Thread::spawn(resume_the_first, 0, cpus() - 1);
    let Ok(helper) = helper else { programs::wrong(file!(), format_args!("no thread: {helper:?}")) };
    check!(suspend_thread(gatehouse_runtime::abi::SLOT_FIRST_THREAD) == Ok(0), "not suspended");
    check!(helper.join(20 * SECOND) == Some(0), "not resumed by the other thread");
}

fn resume_the_first(_argument: u64) -> u64 {
    let first = gatehouse_runtime::abi::SLOT_FIRST_THREAD;
    u64::from(!wait_until(5 * SECOND, || resume_thread(first) == Ok(0)))
}
