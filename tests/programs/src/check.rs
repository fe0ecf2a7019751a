//! How a hazard says that the kernel did something wrong.

use core::panic::Location;

use gatehouse_runtime::abi::Error;
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::SECOND;
use gatehouse_runtime::{Kernel, println};

/// The exit status of a hazard that saw something wrong.
pub const WRONG: u64 = 1;

/// How long the threads of a hazard may take.
const THREAD_TIMEOUT: u64 = 40 * SECOND;

/// Unless the condition holds, prints the message and ends the program with [`WRONG`].
#[macro_export]
macro_rules! check {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            $crate::wrong(::core::file!(), ::core::format_args!($($message)+));
        }
    };
}

/// Prints what is wrong and ends the program with [`WRONG`]; what [`check!`](crate::check) becomes.
#[cold]
pub fn wrong(file: &str, message: core::fmt::Arguments<'_>) -> ! {
    println!("{file}: {message}");
    Kernel::exit_program(WRONG)
}

/// The value, or, where there is none, says what of and why, and ends the program with [`WRONG`].
#[track_caller]
pub fn ok<T>(what: &str, result: Result<T, Error>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => wrong(Location::caller().file(), format_args!("{what}: {error:?}")),
    }
}

/// The number of CPUs that run.
#[must_use]
pub fn cpus() -> u64 {
    match Kernel::system_information() {
        Ok(system) => system.cpus_online,
        Err(error) => wrong(file!(), format_args!("no system information: {error:?}")),
    }
}

/// A function for a thread, and the CPU on which it begins.
pub type ThreadPlan = (fn(u64) -> u64, u64);

/// Runs a function on each CPU given, each in a thread of its own whose argument is its place in the list, and waits for
/// all. Every function must answer 0; the answer is 0 then.
#[must_use]
pub fn run_threads<const COUNT: usize>(threads: &[ThreadPlan; COUNT]) -> u64 {
    let mut started = [const { None }; COUNT];
    for (number, (function, cpu)) in threads.iter().enumerate() {
        match Thread::spawn(*function, number as u64, *cpu) {
            Ok(thread) => started[number] = Some(thread),
            Err(error) => wrong(file!(), format_args!("thread {number} does not start on CPU {cpu}: {error:?}")),
        }
    }
    for (number, thread) in started.into_iter().flatten().enumerate() {
        match thread.join(THREAD_TIMEOUT) {
            Some(0) => {}
            Some(status) => wrong(file!(), format_args!("thread {number} ended with {status}")),
            None => wrong(file!(), format_args!("thread {number} does not end")),
        }
    }
    0
}
