//! Random system calls with random arguments change nothing that they should not.

use std::time::Duration;

use ci::machine::Machine;
use integration_tests::boot_and_pass;

fn change_nothing(cpus: u32, calls: u64, seed: u64) {
    let machine = Machine::new().smp(cpus).time_limit(Duration::from_secs(400));
    let transcript = boot_and_pass(&machine.command_line(format!("init=random_calls calls={calls} seed={seed}")));
    let words = format!("random_calls: {calls} and more on each of {cpus} CPUs changed nothing");
    assert!(transcript.console_contains(&words), "{transcript}");
}

#[test]
fn random_calls_on_four_cpus() {
    change_nothing(4, 100_000, 1);
}

#[test]
fn random_calls_on_one_cpu() {
    change_nothing(1, 20_000, 2);
}
