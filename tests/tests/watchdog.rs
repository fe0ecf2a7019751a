//! A CPU with its interrupts off for too long is found and told of.

use ci::machine::Machine;
use integration_tests::boot_and_pass;

fn held(words: &str) -> ci::transcript::Transcript {
    boot_and_pass(&Machine::new().smp(3).command_line(format!("init=held_cpu test-hooks {words}")))
}

#[test]
fn a_cpu_that_takes_no_interrupts_is_told_of_once_and_when_it_is_back() {
    let transcript = held("watchdog=1 held=4000");
    let lines: Vec<_> = transcript.console.iter().filter(|line| line.starts_with("watchdog: ")).collect();
    let [stuck, back] = lines[..] else { panic!("not two lines of the watchdog in {transcript}") };
    let begin = "watchdog: CPU 2 has taken no interrupt for 1000 ms; it last entered the kernel by SYSCALL from RIP 0x";
    assert!(stuck.starts_with(begin), "{transcript}");
    assert_eq!(back, "watchdog: CPU 2 takes interrupts again", "{transcript}");
}

/// Idle and busy CPUs are well, and so is one that is late but within the limit.
#[test]
fn a_cpu_that_is_back_in_time_is_not_told_of() {
    let transcript = held("watchdog=8 held=2000");
    assert!(!transcript.console_contains("watchdog: "), "{transcript}");
}

#[test]
fn the_watchdog_can_be_turned_off() {
    let transcript = held("watchdog=0 held=2000");
    assert!(!transcript.console_contains("watchdog: "), "{transcript}");
}
