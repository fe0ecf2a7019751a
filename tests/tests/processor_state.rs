//! What a CPU's registers hold that no thread owns, and that threads see nothing of each other's.

use ci::machine::Machine;
use integration_tests::{boot_and_pass, boot_with_monitor};

/// Models that differ in what they have: all that the translator knows; the least; one of Intel's.
const MODELS: [&str; 4] = ["max", "qemu64", "Skylake-Client", "max,-xsave,-fsgsbase"];

#[test]
fn every_cpu_has_the_state_that_the_book_says_whatever_it_began_with() {
    for model in MODELS {
        for words in ["test-hooks", "test-hooks dirty-state"] {
            let machine = Machine::new().cpu(model).command_line(format!("init=processor_state {words}"));
            let transcript = boot_and_pass(&machine);
            let told = transcript.console_contains("processor_state: as it should be on 4 CPUs");
            assert!(told, "{model} {words}: {transcript}");
        }
    }
}

/// The machine's own account: of what no instruction reads, the table behind a selector, too.
#[test]
fn the_emulator_sees_the_same_on_each_cpu() {
    let machine = Machine::new().command_line("init=processor_state test-hooks dirty-state wait=1");
    let (transcript, answer) = boot_with_monitor(&machine, "processor_state: waits", |monitor, _| {
        let answer = monitor.ask("info registers -a");
        let _gone = monitor.command("{\"execute\":\"inject-nmi\"}");
        answer
    });
    let text = answer.unwrap_or_else(|| panic!("no answer: {transcript}"));
    let cpus: Vec<&str> = text.split("CPU#").skip(1).collect();
    assert_eq!(cpus.len(), 4, "{text}");
    for cpu in cpus {
        let line = |name: &str| {
            let lines = cpu.split("\\r\\n").chain(cpu.split("\\n"));
            lines.map(str::trim_end).find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}: {cpu}"))
        };
        assert!(line("LDT=").starts_with("LDT=0000 "), "{cpu}");
        assert!(line("TR =").starts_with("TR =0028 "), "{cpu}");
        for name in ["ES =", "DS =", "FS ="] {
            assert!(line(name).starts_with(&format!("{name}0000 ")), "{cpu}");
        }
        assert!(line("EFER=").contains("EFER=0000000000000d01"), "{cpu}");
        assert!(line("DR6=").contains("DR7=0000000000000400"), "{cpu}");
        assert!(line("DR0=").starts_with("DR0=0000000000000000 DR1=0000000000000000 DR2=0000000000000000"), "{cpu}");
    }
}

/// Beside it INIT clears the ranges on the emulator, so that the other CPUs' are different ones.
#[test]
fn different_memory_types_are_told_where_they_matter() {
    let machine = Machine::new().smp(2).cpu("max,-hypervisor").command_line("init=processor_state test-hooks");
    let transcript = boot_and_pass(&machine);
    assert!(
        transcript.console_contains("CPU 1: the firmware set other memory types (MTRR) than on CPU 0"),
        "{transcript}"
    );
}

/// All of the floating-point state, the selectors, flags, bases and general registers.
#[test]
fn no_thread_sees_the_registers_of_another() {
    for model in ["max", "max,-xsave", "qemu64"] {
        let machine = Machine::new().smp(2).cpu(model).command_line("init=foreign_state");
        let transcript = boot_and_pass(&machine);
        let told = transcript.console_contains("foreign_state: nobody saw anybody's registers on 2 CPUs");
        assert!(told, "{model}: {transcript}");
    }
}
