//! Machines whose firmware has odd tables.

use std::fs;

use ci::machine::Machine;
use ci::qemu::MachineType;
use integration_tests::{boot_and_pass, checked_result};

/// A machine with something written for QEMU's `-readconfig`, and the folder that holds it.
fn configured(machine: Machine, text: &[u8]) -> (Machine, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("machine.cfg");
    fs::write(&path, text).expect("the folder can be written to");
    let path = path.to_str().expect("the path is text");
    (machine.qemu_argument("-readconfig").qemu_argument(path), folder)
}

/// Names that the firmware's maker chose are bytes.
#[test]
fn names_that_are_no_text_are_no_harm() {
    let text = b"[machine]\n  x-oem-id = \"\xff\xfeGATE\"\n  x-oem-table-id = \"\xff\xfd\xfc\xfb\"\n";
    for machine in [MachineType::Q35, MachineType::Pc] {
        let (machine, _folder) = configured(Machine::new().machine(machine), text);
        checked_result(&boot_and_pass(&machine), 4);
    }
}

/// A second table of CPUs and a second one of fixed registers, which say that they are longer than they can be, or have no content.
#[test]
fn further_tables_that_are_odd_are_not_taken_for_the_first() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("content");
    fs::write(&path, [0_u8, 0, 9, 0, 1, 200]).expect("the folder can be written to");
    let content = path.to_str().expect("the path is text").replace(',', ",,");
    let tables = ["APIC", "FACP", "XSDT", "????"].map(|name| format!("sig={name},data={content}"));
    let machine = tables
        .iter()
        .fold(Machine::new(), |machine, table| machine.qemu_argument("-acpitable").qemu_argument(table.as_str()));
    let transcript = boot_and_pass(&machine.command_line("init=hello"));
    assert!(transcript.console_contains("4 of 4 CPUs online"), "{transcript}");
}

/// Hundreds of CPUs that are not there are one line.
#[test]
fn cpus_that_are_not_there_are_counted() {
    let smp = "2,maxcpus=300,sockets=300,cores=1,threads=1";
    let machine = Machine::new().qemu_argument("-smp").qemu_argument(smp).memory_mib(1024);
    let transcript = boot_and_pass(&machine.command_line("init=hello"));
    let lines: Vec<_> = transcript.console.iter().filter(|line| line.starts_with("MADT")).collect();
    assert_eq!(lines, ["MADT: 298 CPUs that cannot be used: APIC ids 2 to 299"], "{transcript}");
}
