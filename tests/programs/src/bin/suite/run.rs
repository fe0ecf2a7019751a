//! Runs one hazard with all its arguments on every CPU.

use gatehouse_runtime::abi::{Error, ProgramEnd};
use gatehouse_runtime::array::MappedArray;
use gatehouse_runtime::{Kernel, println, time};
use programs::BreakpointJudge;
use programs::raw::message::first_utcb;

use crate::hazards::Hazard;

/// How long the programs of one round may take.
const TIMEOUT: u64 = 60 * time::SECOND;
/// How long ended programs may take until the kernel has freed everything of theirs.
const SETTLING: u64 = 2 * time::SECOND;
/// Failures that are told in full for one hazard.
const TOLD: u64 = 10;

/// How a hazard ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    Failed,
    /// Some of its programs did not end: what comes after would not be by itself.
    StillRuns,
}

/// A program that runs now.
#[derive(Clone, Copy, Debug)]
struct Running {
    program: u64,
    argument: u64,
    cpu: u64,
}

/// Runs every argument on every CPU, or, where there are many arguments, each one on one CPU; all CPUs at once.
pub(crate) fn on_every_cpu(hazard: &Hazard, cpus: u64, judge: &BreakpointJudge) -> Outcome {
    let mut slots = match MappedArray::filled(cpus as usize, None) {
        Ok(slots) => slots,
        Err(error) => {
            println!("FAILED {}: no memory to keep account: {error:?}", hazard.name);
            return Outcome::Failed;
        }
    };
    let before = Kernel::system_information();
    let mut failures = 0;
    let mut instances = 0;
    let (arguments, spread) = (hazard.arguments.clone(), hazard.arguments.end - hazard.arguments.start > MANY);
    let mut round = |choose: &dyn Fn(u64) -> Option<u64>| {
        for cpu in 0..cpus {
            if let Some(argument) = choose(cpu) {
                slots[cpu as usize] = start(hazard, argument, cpu, judge, &mut failures);
                instances += 1;
            }
        }
        collect(hazard, &mut slots, &mut failures)
    };
    if spread {
        for first in arguments.clone().step_by(cpus as usize) {
            if !round(&|cpu| Some(first + cpu).filter(|argument| arguments.contains(argument))) {
                return Outcome::StillRuns;
            }
        }
    } else {
        for argument in arguments {
            if !round(&|_| Some(argument)) {
                return Outcome::StillRuns;
            }
        }
    }
    failures += leaks(hazard, before);
    if failures > 0 {
        println!("FAILED {}: {failures} failures in {instances} programs", hazard.name);
        return Outcome::Failed;
    }
    println!("ok {}: {instances} programs on {cpus} CPUs", hazard.name);
    Outcome::Ok
}

/// From so many arguments on, each argument is used on one CPU only.
const MANY: u64 = 32;

fn start(hazard: &Hazard, argument: u64, cpu: u64, judge: &BreakpointJudge, failures: &mut u64) -> Option<Running> {
    let started = if (hazard.expected)(argument).is_at_breakpoint() {
        // SAFETY: the suite starts programs in its first thread only.
        judge.spawn(hazard.name, argument, cpu, &unsafe { first_utcb() })
    } else {
        Kernel::spawn_program_quietly(hazard.name, argument, cpu)
    };
    match started {
        Ok(program) => Some(Running { program, argument, cpu }),
        Err(error) => {
            *failures += 1;
            println!("FAILED {} argument {argument} CPU {cpu}: does not start: {error:?}", hazard.name);
            None
        }
    }
}

/// Waits for every program in the slots and checks its end; answers whether all ended.
fn collect(hazard: &Hazard, slots: &mut [Option<Running>], failures: &mut u64) -> bool {
    let deadline = time::Deadline::after(TIMEOUT);
    while slots.iter().any(Option::is_some) {
        let end = match Kernel::wait_program(deadline.left()) {
            Ok(Some(end)) => end,
            answer => {
                for running in slots.iter().flatten() {
                    let Running { argument, cpu, .. } = running;
                    println!("FAILED {} argument {argument} CPU {cpu}: does not end: {answer:?}", hazard.name);
                }
                return false;
            }
        };
        let place = slots.iter_mut().find(|slot| slot.is_some_and(|running| running.program == end.program));
        match place.and_then(Option::take) {
            Some(running) => check(hazard, &running, &end, failures),
            None => println!("suite: program {} ended, which it did not start", end.program),
        }
    }
    true
}

fn check(hazard: &Hazard, running: &Running, end: &ProgramEnd, failures: &mut u64) {
    let Some(mismatch) = hazard.mismatch(running.argument, end) else { return };
    *failures += 1;
    if *failures <= TOLD {
        let (name, expected) = (hazard.name, (hazard.expected)(running.argument));
        let Running { argument, cpu, .. } = running;
        println!("FAILED {name} argument {argument} CPU {cpu}: expected {expected}; {mismatch}; seen {end:x?}");
    }
}

/// Waits until the ended programs are gone and compares the memory in use with what was in use before; answers 1 if
/// it is more or less.
fn leaks(hazard: &Hazard, before: Result<gatehouse_runtime::abi::SystemInformation, Error>) -> u64 {
    let Ok(before) = before else {
        println!("FAILED {}: no system information", hazard.name);
        return 1;
    };
    let same = || {
        Kernel::system_information().is_ok_and(|now| {
            (now.programs, now.threads, now.frames_in_use, now.heap_bytes_in_use)
                == (before.programs, before.threads, before.frames_in_use, before.heap_bytes_in_use)
        })
    };
    if time::wait_until(SETTLING, same) {
        return 0;
    }
    println!("FAILED {}: before {before:?}, after {:?}", hazard.name, Kernel::system_information());
    1
}
