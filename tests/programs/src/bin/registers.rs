//! Every register survives every way through the kernel, on several CPUs at once: three threads, each with patterns of its
//! own, two of which share a CPU.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::SystemCall;
use gatehouse_runtime::register_pattern::{Crossing, RegisterPattern};
use gatehouse_runtime::{Kernel, entry};
use programs::{check, run_threads};

entry!(run);

/// Rounds of each thread.
const ROUNDS: u64 = 40;
/// Turns of the loop that interrupts may hit.
const TURNS: u64 = 20_000;

fn run(_argument: u64) -> u64 {
    let here = Kernel::cpu_number();
    let next = (here + 1) % programs::cpus();
    run_threads(&[(cross_everything, here), (cross_everything, next), (cross_everything, here)])
}

fn cross_everything(number: u64) -> u64 {
    let cpus = programs::cpus();
    for round in 0..ROUNDS {
        let cpu = (number + round) % cpus;
        let crossings = [
            Crossing::Syscall(SystemCall::Null, 0),
            Crossing::Int80(SystemCall::Null, 0),
            Crossing::Syscall(SystemCall::Yield, 0),
            Crossing::Int80(SystemCall::Yield, 0),
            Crossing::Syscall(SystemCall::Sleep, 50_000),
            Crossing::Int80(SystemCall::Sleep, 50_000),
            Crossing::Spin(TURNS),
            Crossing::Syscall(SystemCall::MoveToCpu, cpu),
            Crossing::Int80(SystemCall::MoveToCpu, (cpu + 1) % cpus),
            Crossing::Spin(TURNS),
        ];
        for (index, crossing) in crossings.into_iter().enumerate() {
            let pattern = RegisterPattern::distinct(number << 32 | round << 8 | index as u64);
            let crossed = pattern.cross(crossing);
            check!(crossed.difference().is_none(), "{crossing:?} changed {:x?}", crossed.difference());
            let answer = crossed.answer();
            check!(matches!(crossing, Crossing::Spin(_)) || answer == 0, "{crossing:?} answered {answer:#x}");
        }
    }
    0
}
