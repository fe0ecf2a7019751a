//! The demonstration passes on machines of every kind.

use ci::machine::Machine;
use ci::qemu::MachineType;
use integration_tests::{boot, boot_and_pass, checked_result};

fn passes(machine: &Machine, cpus: usize) {
    checked_result(&boot_and_pass(machine), cpus);
}

#[test]
fn one_cpu() {
    passes(&Machine::new().smp(1), 1);
}

#[test]
fn two_cpus() {
    passes(&Machine::new().smp(2), 2);
}

#[test]
fn three_cpus() {
    passes(&Machine::new().smp(3), 3);
}

#[test]
fn eight_cpus() {
    passes(&Machine::new().smp(8), 8);
}

#[test]
fn an_old_cpu_model() {
    passes(&Machine::new().cpu("qemu64"), 4);
}

#[test]
fn xapic_only() {
    passes(&Machine::new().cpu("max,-x2apic"), 4);
}

#[test]
fn the_old_machine() {
    passes(&Machine::new().machine(MachineType::Pc), 4);
}

#[test]
fn little_memory() {
    passes(&Machine::new().memory_mib(128), 4);
}

#[test]
fn memory_above_4_gib() {
    passes(&Machine::new().memory_mib(6 * 1024), 4);
}

#[test]
fn a_first_program_that_is_not_there_is_no_pass_and_no_hang() {
    let transcript = boot(&Machine::new().command_line("init=nobody"));
    assert!(!transcript.outcome.is_pass(), "{transcript}");
    assert!(!matches!(transcript.outcome, ci::outcome::Outcome::Timeout(_)), "{transcript}");
    assert!(transcript.console_contains("nobody"), "{transcript}");
}
