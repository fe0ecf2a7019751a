//! Memory at its ends: the quota of a program, and the last frame of the machine.

use std::time::Duration;

use ci::machine::Machine;
use integration_tests::boot_and_pass;

fn machine(command_line: &str) -> Machine {
    Machine::new().time_limit(Duration::from_secs(240)).command_line(command_line)
}

#[test]
fn memory_that_is_away_counts_for_the_quota() {
    let transcript = boot_and_pass(&machine("init=memory_edges swap=ram").memory_mib(512));
    assert!(transcript.console_contains("pages fit beside 30208 that are swapped out"), "{transcript}");
}

#[test]
fn memory_that_is_refused_changes_nothing_at_the_last_frame() {
    for cpus in [1, 4] {
        let transcript = boot_and_pass(&machine("init=memory_edges swap=off").memory_mib(96).smp(cpus));
        assert!(transcript.console_contains("pages came and went"), "{transcript}");
    }
}

#[test]
fn memory_and_capabilities_by_the_thousand_let_interrupts_through() {
    let transcript = boot_and_pass(&machine("init=long_calls swap=ram").smp(1).icount(true).memory_mib(512));
    assert!(transcript.console_contains("RevokeCapability"), "{transcript}");
}
