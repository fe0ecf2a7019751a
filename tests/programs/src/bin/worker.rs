//! Makes a known number of system calls by both entry points on two CPUs, while every register holds a pattern. The
//! argument is a `WorkerPlan`, which says how many calls that are.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::SystemCall;
use gatehouse_runtime::register_pattern::{Crossing, RegisterPattern};
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::{Kernel, KernelByInt80, entry, println};
use programs::WorkerPlan;

entry!(run);

/// The exit status when the kernel did something wrong.
const WRONG: u64 = 1;

fn run(argument: u64) -> u64 {
    let plan = WorkerPlan::from_argument(argument);
    if let Err(error) = Thread::spawn(from_neighbour, argument, plan.neighbour) {
        wrong(format_args!("no thread on CPU {}: {error:?}", plan.neighbour));
    }
    visit(plan.home, plan.neighbour, plan.rounds, 1);
    Kernel::exit_thread(0)
}

/// The second thread: starts on the neighbour and visits the program's first CPU.
fn from_neighbour(argument: u64) -> u64 {
    let plan = WorkerPlan::from_argument(argument);
    visit(plan.neighbour, plan.home, plan.rounds, 2);
    0
}

/// Makes the rounds of one thread.
fn visit(start: u64, other: u64, rounds: u64, seed: u64) {
    for round in 0..rounds {
        burst(start, seed << 32 | round << 1);
        if let Err(error) = Kernel::move_to_cpu(other) {
            wrong(format_args!("MoveToCpu({other}): {error:?}"));
        }
        burst(other, seed << 32 | round << 1 | 1);
        if let Err(error) = KernelByInt80::move_to_cpu(start) {
            wrong(format_args!("MoveToCpu({start}): {error:?}"));
        }
        Kernel::sleep(WorkerPlan::SLEEP);
    }
}

/// One burst: calls by both entry points with every register patterned, time for interrupts, and the CPU's number, which must
/// be `expected`.
fn burst(expected: u64, seed: u64) {
    for call in 0..WorkerPlan::BURST {
        let pattern = RegisterPattern::distinct(seed << 8 | call);
        crossed(pattern, Crossing::Syscall(SystemCall::Null, 0));
        crossed(pattern, Crossing::Int80(SystemCall::Null, 0));
    }
    crossed(RegisterPattern::distinct(seed), Crossing::Spin(WorkerPlan::SPIN_TURNS));
    let cpu = Kernel::cpu_number();
    if expected != cpu {
        wrong(format_args!("on CPU {cpu}, not on CPU {expected}"));
    }
    Kernel::yield_now();
}

/// Crosses and checks that the registers survived.
fn crossed(pattern: RegisterPattern, crossing: Crossing) {
    let crossed = pattern.cross(crossing);
    if let Some(difference) = crossed.difference() {
        wrong(format_args!("{crossing:?} changed {difference:x?}"));
    }
    if !matches!(crossing, Crossing::Spin(_)) && crossed.answer() != 0 {
        wrong(format_args!("{crossing:?} answered {:#x}", crossed.answer()));
    }
}

fn wrong(what: core::fmt::Arguments<'_>) -> ! {
    println!("worker: {what}");
    Kernel::exit_program(WRONG)
}
