//! Devices and their drivers outside the kernel.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ci::machine::Machine;
use ci::qemu::MachineType;
use ci::record::Record;
use ci::session::Observer;
use integration_tests::{boot_and_pass, boot_observed};

/// Time is counted in instructions, so that the rate of interrupts is the same on every host.
#[test]
fn storms_are_masked_and_reported_once() {
    for cpus in [1, 2] {
        let machine = Machine::new().smp(cpus).icount(true).qemu_argument("-device").qemu_argument("edu");
        let transcript = boot_and_pass(&machine.command_line("init=interrupt_storm test-hooks"));
        let holds = format!("interrupt_storm: all cases hold on {cpus} CPUs");
        assert!(transcript.console_contains(&holds), "{transcript}");
        let reports: Vec<_> = transcript.kernel.iter().filter(|line| line.contains("interrupt storm")).collect();
        assert_eq!(reports.len(), 1, "three storms of one binding are told of once: {transcript}");
        let report = ", bound by interrupt_storm, came 1000 times in";
        assert!(reports[0].contains(report), "{transcript}");
        let told = transcript.kernel.iter().filter(|line| line.contains("that nobody asked for")).count();
        assert!((10..=12).contains(&told), "{told} lines, once a power of two: {transcript}");
    }
}

/// Types when the program says that it is ready.
#[derive(Default)]
struct Typist(Option<Vec<u8>>);

/// What the echo program is told by words.
const WORDS: [&str; 3] = ["one", "two words", "and a longer line, longer than the controller's queue"];

impl Observer for Typist {
    fn console_line(&mut self, line: &str) {
        if line.ends_with("ready for words") {
            self.0 = Some(format!("{}\nend\n", WORDS.join("\n")).into_bytes());
        } else if line.ends_with("ready for a block") {
            self.0 = Some((0..10_000_u32).map(|number| (number % 251) as u8).collect());
        } else if line.ends_with("ready for silence") {
            self.0 = Some(b"!".to_vec());
        }
    }

    fn types(&self) -> bool {
        true
    }

    fn console_input(&mut self) -> Option<Vec<u8>> {
        self.0.take()
    }
}

#[test]
fn what_is_typed_arrives_whole() {
    for cpus in [1, 4] {
        let machine = Machine::new().smp(cpus).command_line("init=console_echo");
        let transcript = boot_observed(&machine, &mut Typist::default());
        assert!(transcript.outcome.is_pass(), "{transcript}");
        for words in WORDS {
            assert!(transcript.console_contains(&format!("console_echo: {words}")), "{transcript}");
        }
        assert!(transcript.console_contains("console_echo: all came"), "{transcript}");
    }
}

/// Does not listen for a while at the first line.
#[derive(Default)]
struct SlowListener(bool);

impl Observer for SlowListener {
    fn console_line(&mut self, line: &str) {
        if line.starts_with("chatter") && !std::mem::replace(&mut self.0, true) {
            // The time is the subject.
            std::thread::sleep(Duration::from_secs(2));
        }
    }
}

#[test]
fn whoever_listens_late_misses_nothing() {
    const LINES: usize = 1500;
    let machine = Machine::new().smp(2).command_line("init=console_chatter");
    let transcript = boot_observed(&machine, &mut SlowListener::default());
    assert!(transcript.outcome.is_pass(), "{transcript}");
    for cpu in 0..2 {
        let start = format!("chatter {cpu} ");
        let lines = transcript.console.iter().filter_map(|line| line.strip_prefix(&start));
        let mut expected = 0;
        for line in lines {
            assert_eq!(line, format!("{expected} {}", ".".repeat(80)), "CPU {cpu} in {transcript}");
            expected += 1;
        }
        assert_eq!(expected, LINES, "lines of CPU {cpu} in {transcript}");
    }
    let counts = transcript.console.iter().find_map(|line| line.strip_prefix("console_chatter: "));
    let counts = counts.unwrap_or_else(|| panic!("no counts in {transcript}"));
    // Channel, pipe and kernel together hold less than what was written.
    assert!(counts.ends_with(" waited, 0 dropped") && !counts.starts_with("0 "), "{counts}");
}

/// Does not read from the first line on until the record says that the machine has been at it long enough.
#[derive(Default)]
struct AbsentReader(Arc<AtomicBool>);

impl Observer for AbsentReader {
    fn console_line(&mut self, line: &str) {
        if line.ends_with("nobody reads from here on") {
            self.0.store(true, Ordering::Release);
        }
    }

    fn record(&mut self, record: &Record) {
        if matches!(record, Record::Other(name, _) if name == "unread") {
            self.0.store(false, Ordering::Release);
        }
    }

    fn pause_of_console(&self) -> Option<Arc<AtomicBool>> {
        Some(Arc::clone(&self.0))
    }
}

/// Time is counted in instructions, of all CPUs together.
#[test]
fn nobody_waits_for_a_console_that_nobody_reads() {
    // Several CPUs take turns in counted time, for as long as the host likes: what takes that long there is no wait for the line, which
    // would be a matter of seconds.
    for (cpus, most, latest) in [(1, 200_000, 500_000), (4, 50_000_000, 50_000_000)] {
        let machine = Machine::new().smp(cpus).icount(true).command_line("init=unread_console");
        let transcript = boot_observed(&machine, &mut AbsentReader::default());
        assert!(transcript.outcome.is_pass(), "{transcript}");
        assert!(transcript.console_contains("unread_console: all that was taken came"), "{transcript}");
        let said = transcript.kernel.iter().filter(|line| line.starts_with("fault: program=null_access")).count();
        assert_eq!(said, 1, "the kernel's own line of meanwhile in {transcript}");
        // Not one of them in the kernel's name.
        assert!(!transcript.kernel.iter().any(|line| line.contains("forged")), "{transcript}");
        assert_eq!(transcript.console.iter().filter(|line| line.contains("forged")).count(), 4, "{transcript}");

        let mut records = transcript.others("unread");
        let (Some(record), None) = (records.next(), records.next()) else { panic!("not one record in {transcript}") };
        println!("{cpus} CPUs: {record}");
        let number = |key: &str| record[key].as_u64().unwrap_or_else(|| panic!("no {key} in {record}"));
        assert!(number("refused") > 100, "somebody has read: {record}");
        assert!(number("longest_write") < most, "{record}");
        let late = record["late"].as_array().unwrap_or_else(|| panic!("no list in {record}"));
        assert!(late.iter().all(|late| late.as_u64().is_some_and(|late| late < latest)), "{record}");
    }
}

#[test]
fn messages_reach_a_driver_outside_the_kernel_on_any_cpu() {
    for cpus in [4, 1] {
        let machine = Machine::new().smp(cpus).qemu_argument("-device").qemu_argument("edu");
        let transcript = boot_and_pass(&machine.command_line("init=message_interrupts"));
        let line = format!("message_interrupts: all cases hold on {cpus} CPUs");
        assert!(transcript.console_contains(&line), "{transcript}");
    }
}

/// A machine with the devices of `moved_interrupts`.
fn with_moving_devices(machine: Machine) -> Machine {
    let devices = ["edu", "nvme,serial=gatehouse,msix_qsize=320"];
    let machine =
        devices.into_iter().fold(machine, |machine, device| machine.qemu_argument("-device").qemu_argument(device));
    machine.command_line("init=moved_interrupts test-hooks")
}

fn interrupts_move(cpus: u32, machine: Machine) {
    let transcript = boot_and_pass(&with_moving_devices(machine.smp(cpus)));
    let line = format!("moved_interrupts: all cases hold on {cpus} CPUs");
    assert!(transcript.console_contains(&line), "{transcript}");
    assert!(!transcript.console_contains("that nobody asked for"), "{transcript}");
}

#[test]
fn interrupts_move_without_loss_and_beyond_the_vectors_of_one_cpu() {
    for cpus in [4, 2, 1] {
        interrupts_move(cpus, Machine::new());
    }
}

#[test]
fn interrupts_move_on_old_machines() {
    interrupts_move(2, Machine::new().machine(MachineType::Pc));
    interrupts_move(4, Machine::new().cpu("qemu64"));
}

/// By MSI-X, with memory that the device writes to.
#[test]
fn a_driver_outside_the_kernel_is_told_of_its_commands() {
    for cpus in [1, 4] {
        let machine = Machine::new().smp(cpus).qemu_argument("-device").qemu_argument("nvme,serial=gatehouse");
        let transcript = boot_and_pass(&machine.command_line("init=nvme_messages"));
        let line = format!("nvme_messages: 100 commands on each of {cpus} CPUs");
        assert!(transcript.console_contains(&line), "{transcript}");
    }
}

/// Whoever has the memory of a driver that ended while its device wrote finds nothing there that it has not written itself.
#[test]
fn a_driver_that_ends_during_a_copy_harms_nobody() {
    for cpus in [1, 4] {
        let machine = Machine::new().smp(cpus).qemu_argument("-device").qemu_argument("edu,dma_mask=0xffffffffffff");
        let transcript = boot_and_pass(&machine.command_line("init=driver_end"));
        assert!(transcript.console_contains("driver_end: all cases hold"), "{transcript}");
    }
}

#[test]
fn a_device_answers_while_others_are_made_frames_of_it() {
    let machine = Machine::new().smp(2).qemu_argument("-device").qemu_argument("edu");
    let transcript = boot_and_pass(&machine.command_line("init=device_reads"));
    assert!(transcript.console_contains("device_reads: all accesses were right"), "{transcript}");
}

/// Bridges, ports, and what the firmware left running; with and without a disk that the kernel has.
#[test]
fn what_is_the_machines_is_given_to_nobody() {
    let with_devices = |machine: Machine| {
        ["edu", "nvme,serial=gatehouse"]
            .into_iter()
            .fold(machine, |machine, device| machine.qemu_argument("-device").qemu_argument(device))
    };
    // A disk controller and the system management bus are part of the machine.
    let without_disk = with_devices(Machine::new()).command_line("init=machine_parts devices=4");
    let with_disk = with_devices(Machine::new().disk_mib(64)).command_line("init=machine_parts devices=4 disk-ports");
    for machine in [without_disk, with_disk] {
        let transcript = boot_and_pass(&machine);
        assert!(transcript.console_contains("machine_parts: all cases hold"), "{transcript}");
        assert!(transcript.console_contains("PCI: the firmware had left"), "{transcript}");
    }
}
