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

/// In counted time: an interrupt waits for a few timers, and not for all of them.
#[test]
fn timers_of_one_moment_let_other_interrupts_through() {
    let transcript = boot_and_pass(&Machine::new().smp(2).icount(true).command_line("init=timer_burst"));
    let told = |line: &&String| line.contains("timer_burst: 4000 timers of one moment fired, all set before");
    let line = transcript.console.iter().find(told).map_or("", String::as_str);
    let longest: Option<u64> = line.split_whitespace().rev().nth(1).and_then(|number| number.parse().ok());
    assert!(longest.is_some_and(|longest| longest < 300_000), "{longest:?} ns in {transcript}");
}

/// In counted time: whatever an unprivileged thread calls, as fast as it can, a thread of the highest priority on another CPU keeps
/// nine tenths of that one.
#[test]
fn less_urgent_threads_leave_another_cpu_to_the_urgent_one() {
    let transcript = boot_and_pass(&Machine::new().smp(3).icount(true).command_line("init=less_urgent_work"));
    assert!(transcript.console_contains("less_urgent_work: SetAffinity, may leave:"), "{transcript}");
}
