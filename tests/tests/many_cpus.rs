//! Machines whose list of CPUs is odd, and CPUs that do not answer.

use std::time::Duration;

use ci::machine::Machine;
use ci::qemu::MachineType;
use integration_tests::{boot, boot_and_pass, checked_result};

/// A machine with these words for QEMU's `-smp`, and further CPUs by socket number.
fn machine(smp: &str, sockets: &[u32]) -> Machine {
    let machine = Machine::new().qemu_argument("-smp").qemu_argument(smp);
    sockets.iter().fold(machine, |machine, socket| {
        let device = format!("max-x86_64-cpu,socket-id={socket},core-id=0,thread-id=0");
        machine.qemu_argument("-device").qemu_argument(device)
    })
}

#[test]
fn a_cpu_that_never_answers_is_named_and_the_others_run() {
    let transcript = boot_and_pass(&Machine::new().command_line("silent-cpus=3"));
    assert!(transcript.console_contains("3 of 4 CPUs online"), "{transcript}");
    assert!(transcript.console_contains("left out: CPU with APIC id 3: never reached"), "{transcript}");
    checked_result(&transcript, 3);
}

#[test]
fn cpus_in_the_middle_that_never_answer_are_named_and_the_others_run() {
    let transcript = boot_and_pass(&Machine::new().smp(5).command_line("init=hello silent-cpus=1,3"));
    assert!(transcript.console_contains("3 of 5 CPUs online"), "{transcript}");
    for id in [1, 3] {
        assert!(
            transcript.console_contains(&format!("left out: CPU with APIC id {id}: never reached")),
            "{transcript}"
        );
    }
}

#[test]
fn a_silent_cpu_that_is_not_there_is_refused_by_name() {
    let transcript = boot(&Machine::new().smp(2).command_line("silent-cpus=2"));
    assert!(!transcript.outcome.is_pass(), "{transcript}");
    assert!(transcript.console_contains("silent-cpus=2 on the command line names no CPU from 1 to 1"), "{transcript}");
}

/// Three cores a socket: the ids are 0 1 2 4 5 6.
#[test]
fn ids_with_gaps() {
    let transcript = boot_and_pass(&machine("6,sockets=2,cores=3,threads=1", &[]));
    let ids: Vec<_> = checked_result(&transcript, 6).cpus.iter().map(|cpu| cpu.apic_id).collect();
    assert_eq!(ids, [0, 1, 2, 4, 5, 6]);
}

/// Room for 300 CPUs, of which the table lists those that are not there as not enabled; one that is there has an id that
/// takes x2APIC.
#[test]
fn ids_above_255_among_cpus_that_are_not_there() {
    let sparse = machine("2,maxcpus=300,sockets=300,cores=1,threads=1", &[299, 150]).memory_mib(1024);
    let transcript = boot_and_pass(&sparse.time_limit(Duration::from_secs(120)));
    let mut ids: Vec<_> = checked_result(&transcript, 4).cpus.iter().map(|cpu| cpu.apic_id).collect();
    ids.sort_unstable();
    assert_eq!(ids, [0, 1, 150, 299]);
}

/// Firmware that lays its tables where the archive is loaded loses them from some number of CPUs on, which depends on the
/// archive's size.
#[test]
fn every_number_of_cpus_starts_without_pci() {
    for cpus in [1, 2, 21, 22, 24, 48, 64, 128, 255, 288] {
        let machine = Machine::new().machine(MachineType::Microvm).smp(cpus).command_line("init=hello");
        let transcript = boot_and_pass(&machine);
        let online = format!("{cpus} of {cpus} CPUs online");
        assert!(cpus == 1 || transcript.console_contains(&online), "{transcript}");
    }
}

/// QEMU's own choice of firmware for that machine: the kernel says what became of the tables.
#[test]
fn an_archive_over_what_the_firmware_keeps_is_told_of() {
    let machine = Machine::new().machine(MachineType::Microvm).smp(64).command_line("init=hello");
    let transcript = boot(&machine.qemu_argument("-bios").qemu_argument("bios-microvm.bin"));
    let told = "which the memory map keeps from use: what the firmware had there is lost";
    assert!(transcript.console_contains(told), "{transcript}");
}
