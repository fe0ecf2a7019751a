//! Machines without a device that ends the emulator, as all real ones are: the kernel turns them off, behind its last line.

use ci::machine::Machine;
use ci::outcome::Outcome;
use ci::qemu::MachineType;
use ci::transcript::Transcript;
use integration_tests::boot;

/// A machine that a reset starts again: only power off ends it.
fn real_machine(machine_type: MachineType, command_line: &str) -> Machine {
    let machine = Machine::new().machine(machine_type).exit_device(false).command_line(command_line);
    machine.qemu_argument("-action").qemu_argument("reboot=reset")
}

fn check(transcript: &Transcript, outcome: &Outcome, last: &str) {
    assert_eq!(&transcript.outcome, outcome, "{transcript}");
    assert_eq!(transcript.console.last().map(String::as_str), Some(last), "{transcript}");
    let starts = transcript.console.iter().filter(|line| line.starts_with("Gatehouse ")).count();
    assert_eq!(starts, 1, "it was started again: {transcript}");
    assert!(!transcript.console_contains("watchdog:"), "{transcript}");
}

#[test]
fn every_machine_is_turned_off_behind_its_whole_last_line() {
    for machine_type in [MachineType::Q35, MachineType::Pc, MachineType::Microvm] {
        let transcript = boot(&real_machine(machine_type, "init=hello watchdog=2"));
        check(&transcript, &Outcome::Pass, "machine: pass");
        assert!(transcript.console_contains("hello: the other thread says 42"), "{transcript}");
    }
}

#[test]
fn a_failure_and_a_lockdown_end_the_machine_too() {
    let machine = |command_line| real_machine(MachineType::Q35, command_line);
    check(&boot(&machine("init=unreliable watchdog=2")), &Outcome::Fail, "machine: fail");
    let lockdown = boot(&machine("init=test_hook test-hooks hook=3 watchdog=2"));
    check(&lockdown, &Outcome::Lockdown, "lockdown: end of the report");
}

/// Nothing turns it off: all CPUs stand still, and none takes another for stuck.
#[test]
fn where_nothing_ends_the_machine_it_stands_still_in_silence() {
    let machine = real_machine(MachineType::Q35, "init=hello watchdog=1").qemu_argument("-no-shutdown");
    let transcript = boot(&machine.time_limit(std::time::Duration::from_secs(20)));
    check(&transcript, &Outcome::Timeout(std::time::Duration::from_secs(20)), "machine: pass");
}
