//! What the kernel's operations cost in guest instructions: the first program of `cargo xtask bench`, on a machine with
//! `--icount`, where one tick of the time-stamp counter is one instruction.
//!
//! Words of the kernel's command line: `bench=trace` runs each operation a few times between the marks of [`trace`], for
//! the host to step through, instead of taking samples; `only=KEY,…` selects operations. `bench=throughput` and
//! `bench=scale` measure times, on a machine without `--icount`.
//!
//! One operation, or family of them, a module: its keys and a function, in [`OPERATIONS`].
#![cfg_attr(target_os = "none", no_std, no_main)]
#![cfg_attr(
    not(target_os = "none"),
    allow(
        dead_code,
        unused_imports,
        unused_macros,
        clippy::if_same_then_else,
        reason = "the instructions that are measured exist on the kernel's target only"
    )
)]

mod call;
mod client;
mod context_switch;
mod device;
mod exchange;
mod fault_ipc;
mod memory;
mod nmi;
mod notification;
mod null_call;
mod ping;
mod plan;
mod samples;
mod scale;
mod shootdown;
mod swap;
mod threads;
mod throughput;
mod timed;
mod timer_interrupt;
mod timers;
mod trace;
mod trap_kernel;

use gatehouse_runtime::{Kernel, entry, println};
use programs::finish;

use crate::plan::{Engine, Plan};

entry!(run);

/// Keys and what measures them.
type Operation = (&'static [&'static str], fn(&Plan<'_>));

/// All operations. Each leaves nothing behind that runs.
const OPERATIONS: &[Operation] = &[
    (null_call::KEYS, null_call::measure),
    (fault_ipc::KEYS, fault_ipc::measure),
    (fault_ipc::LINES_KEYS, fault_ipc::show_lines),
    (fault_ipc::CROSS_KEYS, fault_ipc::measure_cross),
    (call::KEYS, call::measure),
    (call::CROSS_KEYS, call::measure_cross),
    (context_switch::KEYS, context_switch::measure),
    (memory::KEYS, memory::measure),
    (memory::CROSS_KEYS, memory::measure_cross),
    (threads::KEYS, threads::measure),
    (notification::KEYS, notification::measure),
    (ping::KEYS, ping::measure),
    (timers::KEYS, timers::measure),
    (timer_interrupt::KEYS, timer_interrupt::measure),
    (nmi::KEYS, nmi::measure),
    (trap_kernel::KEYS, trap_kernel::measure),
    (device::KEYS, device::measure),
    // From here on the first thread has used the FPU, and its state is switched with it.
    (context_switch::FPU_KEYS, context_switch::measure_fpu),
    // From here on this program's faults are looked at by the swap first.
    (swap::KEYS, swap::measure),
];

fn run(argument: u64) -> u64 {
    if argument != 0 {
        return client::run(argument);
    }
    let mut buffer = [0; 1024];
    let line = Kernel::command_line(&mut buffer).unwrap_or("");
    let plan = Plan::from_command_line(line);
    match plan.engine {
        Engine::Throughput => throughput::run(),
        Engine::Scale => scale::run(),
        Engine::Count | Engine::Trace => count(&plan),
    }
    finish(0)
}

fn count(plan: &Plan<'_>) {
    for (keys, measure) in OPERATIONS.iter().filter(|(keys, _)| plan.selects(keys)) {
        println!("bench: {}", keys[0]);
        measure(plan);
    }
}
