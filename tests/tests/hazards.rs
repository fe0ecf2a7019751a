//! The suite of hazards passes, and a suite that does not pass is seen.

use ci::machine::Machine;
use ci::outcome::Outcome;
use integration_tests::{boot, boot_and_pass};

fn suite_passes(machine: Machine) {
    let transcript = boot_and_pass(&machine.command_line("init=suite"));
    let ok = transcript.console.iter().filter(|line| line.starts_with("ok ")).count();
    assert!(transcript.console_contains(&format!("suite: {ok} ok, 0 failed, 0 not run")), "{transcript}");
    assert!(ok > 20, "{transcript}");
}

#[test]
fn all_hazards_on_one_cpu() {
    suite_passes(Machine::new().smp(1));
}

#[test]
fn all_hazards_on_four_cpus() {
    suite_passes(Machine::new());
}

#[test]
fn all_hazards_with_xapic_and_an_old_cpu_model() {
    suite_passes(Machine::new().smp(2).cpu("qemu64,-x2apic"));
}

/// Neither SMAP nor SMEP is there to stop a program that has reached ring 0.
#[test]
fn no_descriptors_of_a_programs_own_with_processors_that_protect_the_kernel_least() {
    for model in ["qemu64", "max,-smap,-smep"] {
        let machine = Machine::new().smp(2).cpu(model).command_line("init=suite suite=local_descriptors");
        let transcript = boot_and_pass(&machine);
        assert!(transcript.console_contains("ok local_descriptors: "), "{model}: {transcript}");
    }
}

#[test]
fn one_hazard_can_be_chosen() {
    let transcript = boot_and_pass(&Machine::new().smp(2).command_line("init=suite suite=int_n"));
    assert!(transcript.console_contains("ok int_n: 256 programs on 2 CPUs"), "{transcript}");
    assert!(transcript.console_contains("suite: 1 ok, 0 failed, 0 not run"), "{transcript}");
}

#[test]
fn an_unknown_hazard_fails() {
    let transcript = boot(&Machine::new().smp(1).command_line("init=suite suite=no_such_hazard"));
    assert_eq!(transcript.outcome, Outcome::Fail, "{transcript}");
    assert!(transcript.console_contains("no_such_hazard"), "{transcript}");
}
