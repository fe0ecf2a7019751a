//! Timers that are set, cleared and fire at random on all CPUs.

use ci::machine::Machine;
use integration_tests::boot_and_pass;

const HOLDS: &str = "none lost, none early";

#[test]
fn every_setting_of_a_timer_fires_once_or_is_taken_back() {
    let transcript = boot_and_pass(&Machine::new().command_line("init=timer_storm settings=100000"));
    assert!(transcript.console_contains("timer_storm: 100000 settings of 512 timers on 4 CPUs"), "{transcript}");
    assert!(transcript.console_contains(HOLDS), "{transcript}");
}

/// In turns that are the same in every run, and with the exact clock that counts instructions.
#[test]
fn every_setting_of_a_timer_fires_once_or_is_taken_back_in_counted_time() {
    let machine = Machine::new().smp(3).icount(true).command_line("init=timer_storm settings=9000");
    let transcript = boot_and_pass(&machine);
    assert!(transcript.console_contains("timer_storm: 9000 settings of 384 timers on 3 CPUs"), "{transcript}");
    assert!(transcript.console_contains(HOLDS), "{transcript}");
}
