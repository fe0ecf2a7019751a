//! A supervisor in user space: a first program that keeps the program `unreliable` running on each CPU. It is started again
//! after each crash, and each reason is told.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{EndCause, ProgramEnd, TrapNumber};
use gatehouse_runtime::supervisor::{Run, Supervisor};
use gatehouse_runtime::time::{MILLISECOND, SECOND};
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::message::first_utcb;
use programs::{SURVIVED, UNRELIABLE_SITES, check, cpus, site};

entry!(run);

fn run(_argument: u64) -> u64 {
    let before = Kernel::system_information().map_or(0, |system| system.frames_in_use);
    for cpu in 0..cpus() {
        until_done(cpu);
        no_more_restarts(cpu);
    }
    println!("supervisor: {} runs on {} CPUs", (UNRELIABLE_SITES + 4) * cpus(), cpus());
    let after = Kernel::system_information().map_or(0, |system| system.frames_in_use);
    check!(before == after, "{before} frames before, {after} after");
    0
}

const fn on_cpu(cpu: u64) -> Supervisor<'static> {
    Supervisor { name: "unreliable", cpu, restarts: 0, patience: 2 * SECOND, breakpoint_patience: 20 * MILLISECOND }
}

/// Runs until the program has gone through all its ways to fail.
fn until_done(cpu: u64) {
    let supervisor = Supervisor { restarts: UNRELIABLE_SITES, ..on_cpu(cpu) };
    let mut runs = 0;
    // SAFETY: only the first thread comes here.
    let utcb = unsafe { first_utcb() };
    let report = |number: u64, run: &Run| {
        println!("supervisor: CPU {cpu} run {number}: {run}");
        check!(is_expected(number, run, cpu), "run {number}: {run:x?}");
        runs += 1;
    };
    let last = supervisor.run(utcb, |number| number, report);
    check!(last == Ok(Run::Done), "{last:x?}");
    check!(runs == UNRELIABLE_SITES + 1, "{runs} runs");
}

fn is_expected(number: u64, run: &Run, cpu: u64) -> bool {
    let trap = |end: &ProgramEnd, trap: TrapNumber, instruction: u64| {
        (end.cause, end.trap, end.instruction_pointer, end.cpu)
            == (EndCause::Trap as u64, trap.to_bits(), instruction, cpu)
    };
    match (number, run) {
        (0, Run::Failed(end)) => trap(end, TrapNumber::UNKNOWN_INSTRUCTION, site(0)),
        (1, Run::Failed(end)) => trap(end, TrapNumber::LOAD_PAGE_FAULT, site(1)),
        (2, Run::Failed(end)) => trap(end, TrapNumber::STORE_PAGE_FAULT, site(2)),
        (3, Run::Failed(end)) => trap(end, TrapNumber::DIVIDE_ERROR, site(3)),
        (4, Run::Failed(end)) => end.cause == EndCause::Exited as u64 && end.status == SURVIVED,
        (5, Run::Paused(end)) => trap(end, TrapNumber::BREAKPOINT, site(5) + 1),
        (6, Run::TimedOut(end)) => end.cause == EndCause::Killed as u64,
        (UNRELIABLE_SITES, Run::Done) => true,
        _ => false,
    }
}

/// A program that always crashes is given up.
fn no_more_restarts(cpu: u64) {
    let supervisor = Supervisor { restarts: 2, ..on_cpu(cpu) };
    let mut runs = 0;
    // SAFETY: only the first thread comes here.
    let utcb = unsafe { first_utcb() };
    let last = supervisor.run(utcb, |_| 0, |_, _| runs += 1);
    check!(last.is_ok_and(|run| matches!(run, Run::Failed(_))) && runs == 3, "{last:x?} after {runs} runs");
}
