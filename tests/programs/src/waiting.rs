//! Waiting for what other threads do, by what the kernel tells of them: with an end, and with words for what does not come.

use core::panic::Location;

use crate::raw::debugger::list_threads;
use gatehouse_runtime::Kernel;
use gatehouse_runtime::abi::{SLOT_OWN_PROGRAM, ThreadInformation, ThreadState};
use gatehouse_runtime::time::{SECOND, wait_until};

use crate::wrong;

/// How long a thread may take to come so far.
const PATIENCE: u64 = 20 * SECOND;
/// The most threads of a program that are looked at.
const THREADS: usize = 64;

/// Waits until the program behind a slot has so many threads in this state, or more.
#[track_caller]
pub fn until_threads(program: u64, count: usize, state: ThreadState) {
    until(program, state, |threads| threads.iter().filter(|thread| is_in(thread, state)).count() >= count);
}

/// Waits until a thread of the caller's program, by its number, is in this state.
#[track_caller]
pub fn until_thread(number: u64, state: ThreadState) {
    let is_there = |thread: &ThreadInformation| thread.number == number && is_in(thread, state);
    until(SLOT_OWN_PROGRAM, state, |threads| threads.iter().any(is_there));
}

/// Waits until a condition holds, and ends the program with these words if it does not come to.
#[track_caller]
pub fn until_so(what: &str, condition: impl Fn() -> bool) {
    if !wait_until(PATIENCE, condition) {
        wrong(Location::caller().file(), format_args!("in {} s: not {what}", PATIENCE / SECOND));
    }
}

/// System calls by SYSCALL that were made on a CPU.
#[must_use]
pub fn system_calls_on(cpu: u64) -> u64 {
    match Kernel::cpu_information(cpu) {
        Ok(information) => information.system_calls_syscall,
        Err(error) => wrong(file!(), format_args!("CPU {cpu}: {error:?}")),
    }
}

#[track_caller]
fn until(program: u64, state: ThreadState, condition: impl Fn(&[ThreadInformation]) -> bool) {
    let holds = || {
        let (threads, count) = threads_of(program);
        condition(&threads[..count])
    };
    if !wait_until(PATIENCE, holds) {
        let (threads, count) = threads_of(program);
        let states = threads[..count].iter().filter_map(|thread| ThreadState::from_number(thread.state));
        gatehouse_runtime::print!("the threads:");
        states.for_each(|state| gatehouse_runtime::print!(" {state:?}"));
        wrong(Location::caller().file(), format_args!("; not enough of them {state:?} in {} s", PATIENCE / SECOND));
    }
}

fn is_in(thread: &ThreadInformation, state: ThreadState) -> bool {
    thread.state == state as u64
}

fn threads_of(program: u64) -> ([ThreadInformation; THREADS], usize) {
    let mut room = [ThreadInformation::default(); THREADS];
    match list_threads(program, &mut room) {
        Ok(count) => (room, THREADS.min(count as usize)),
        Err(error) => wrong(file!(), format_args!("no list of threads: {error:?}")),
    }
}
