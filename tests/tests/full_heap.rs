//! What becomes of programs when the kernel's heap has no room.

use std::time::Duration;

use ci::machine::Machine;
use integration_tests::boot_and_pass;

fn holds(cpus: u32) {
    let machine = Machine::new().smp(cpus).time_limit(Duration::from_secs(180));
    let transcript = boot_and_pass(&machine.command_line("test-hooks init=full_heap".to_owned()));
    let words = format!("full_heap: all cases hold on {cpus} CPUs");
    assert!(transcript.console_contains(&words), "{words} is missing in {transcript}");
}

#[test]
fn full_heap_refuses_what_allocates_on_one_cpu() {
    holds(1);
}

#[test]
fn full_heap_refuses_what_allocates_on_four_cpus() {
    holds(4);
}
