//! Machine checks from outside the machine hit a program that spins in ring 3: to be run as the first program with `case=NAME` on
//! the kernel's command line, by a test that injects one for each line `machine_check: spins on CPU …`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::abi::{CpuInformation, EndCause, TrapNumber};
use gatehouse_runtime::time::{MILLISECOND, SECOND, wait_until};
use gatehouse_runtime::{Kernel, entry, println};
use programs::{check, use_everything};

entry!(run);

/// A child's argument.
const SPIN: u64 = 1;

fn run(argument: u64) -> u64 {
    if argument == SPIN {
        println!("machine_check: spins on CPU {}", Kernel::cpu_number());
        spin();
    }
    let mut buffer = [0; 256];
    let line = Kernel::command_line(&mut buffer).unwrap_or("");
    match line.split_whitespace().find_map(|word| word.strip_prefix("case=")).unwrap_or("") {
        "ended" => ended_on_every_cpu(),
        "goes-on" => goes_on(),
        // What follows is the host's to say.
        "hit" => {
            start(1);
            // Until the host has had it.
            Kernel::sleep(40 * SECOND);
        }
        other => {
            println!("machine_check: no case {other:?} in {line:?}");
            return 1;
        }
    }
    programs::finish(0)
}

fn spin() -> ! {
    static TURNS: AtomicU64 = AtomicU64::new(0);
    loop {
        TURNS.fetch_add(1, Ordering::Relaxed);
    }
}

fn start(cpu: u64) {
    let started = Kernel::spawn_program("machine_check", SPIN, cpu);
    check!(started.is_ok(), "no child on CPU {cpu}: {started:?}");
}

fn facts(cpu: u64) -> CpuInformation {
    let facts = Kernel::cpu_information(cpu);
    check!(facts.is_ok(), "CPU {cpu}: {facts:?}");
    facts.unwrap_or_default()
}

/// Only the child pays, on each CPU.
fn ended_on_every_cpu() {
    for cpu in 0..programs::cpus() {
        let before = facts(cpu).machine_checks_contained;
        start(cpu);
        match Kernel::wait_program(30 * SECOND) {
            Ok(Some(end)) => {
                check!(end.cause == EndCause::Trap as u64 && end.cpu == cpu, "{end:?}");
                check!(end.trap == TrapNumber::MACHINE_CHECK.to_bits() && end.vector == 18, "{end:?}");
                check!(end.error_code == 0xbd80_0000_0000_0134 && end.address == 0x1234_5000, "{end:x?}");
                check!(end.instruction_pointer >> 63 == 0 && end.instruction_pointer != 0, "{end:x?}");
            }
            other => programs::wrong(file!(), format_args!("the child on CPU {cpu} has not ended: {other:?}")),
        }
        let after = facts(cpu).machine_checks_contained;
        check!(after == before + 1, "CPU {cpu}: {before} contained before, {after} after");
    }
    for cpu in 0..programs::cpus() {
        let moved = Kernel::move_to_cpu(cpu);
        check!(moved.is_ok(), "cannot move to CPU {cpu}: {moved:?}");
        use_everything();
    }
    let (mut contained, mut deferred, mut missed) = (0, 0, 0);
    for cpu in (0..programs::cpus()).map(facts) {
        contained += cpu.machine_checks_contained;
        deferred += cpu.machine_checks_deferred;
        missed += cpu.machine_check_meetings_missed;
    }
    println!("machine_check: {contained} contained, {deferred} deferred, {missed} meetings missed");
}

/// Errors that need no action are counted, and the child goes on.
fn goes_on() {
    start(1);
    let seen = wait_until(30 * SECOND, || facts(1).machine_checks_deferred > 0);
    check!(seen, "nothing was counted: {:?}", facts(1));
    let end = Kernel::wait_program(300 * MILLISECOND);
    check!(end == Ok(None), "the child has ended: {end:?}");
    let facts = facts(1);
    println!(
        "machine_check: goes on after {} corrected, {} deferred, {} contained",
        facts.machine_checks_corrected, facts.machine_checks_deferred, facts.machine_checks_contained
    );
}
