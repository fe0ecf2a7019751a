//! Pages that are swapped out, and come back as they were or not at all.

use std::fs::{self, File};
use std::time::Duration;

use ci::machine::Machine;
use ci::transcript::Transcript;
use integration_tests::boot_and_pass;
use tempfile::TempDir;

/// Bytes of the disk.
const DISK_BYTES: u64 = 256 * 1024 * 1024;

/// A machine that boots this, with time for a host that has other plans.
fn machine(command_line: &str) -> Machine {
    Machine::new().time_limit(Duration::from_secs(240)).command_line(command_line)
}

/// A disk in a folder of its own. QEMU fails those of its transfers that a rule names, once.
struct Disk {
    folder: TempDir,
    rule: Option<&'static str>,
}

impl Disk {
    fn new(rule: Option<&'static str>) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let image = File::create(folder.path().join("swap.img")).expect("the folder can be written to");
        image.set_len(DISK_BYTES).expect("the disk is a sparse file");
        if let Some(transfer) = rule {
            // The second sector of the first slot: firmware looks at the first one.
            let rule = format!(
                "[inject-error]\nevent = \"none\"\niotype = \"{transfer}\"\nerrno = \"5\"\nsector = \"1\"\nonce = \"on\"\n"
            );
            fs::write(folder.path().join("rules"), rule).expect("the folder can be written to");
        }
        Self { folder, rule }
    }

    fn attach_to(&self, machine: Machine) -> Machine {
        let image = self.folder.path().join("swap.img");
        let file = match self.rule {
            None => image.display().to_string(),
            Some(_) => format!("blkdebug:{}:{}", self.folder.path().join("rules").display(), image.display()),
        };
        machine
            .qemu_argument("-drive")
            .qemu_argument(format!("if=none,id=swap,format=raw,file={file}"))
            .qemu_argument("-device")
            .qemu_argument("virtio-blk-pci,drive=swap")
    }
}

fn says(transcript: &Transcript, text: &str) {
    assert!(transcript.console_contains(text), "{text} in {transcript}");
}

#[test]
fn four_cpus_use_twice_the_memory_with_compressed_pages() {
    let transcript = boot_and_pass(&machine("init=swap_thrash thrash=3").memory_mib(64));
    says(&transcript, "free, store 1");
}

#[test]
fn four_cpus_use_twice_the_memory_with_a_disk() {
    let disk = Disk::new(None);
    let transcript = boot_and_pass(&disk.attach_to(machine("init=swap_thrash thrash=3").memory_mib(64)));
    says(&transcript, "the disk interrupts");
    says(&transcript, "free, store 2");
}

#[test]
fn programs_may_end_while_their_pages_are_on_their_way() {
    let disk = Disk::new(None);
    for machine in [machine("init=swap_kill"), disk.attach_to(machine("init=swap_kill"))] {
        let transcript = boot_and_pass(&machine.memory_mib(64));
        says(&transcript, "swap_kill: 12 programs killed");
    }
}

/// Another chip set, and a device that has no interrupt of its own: the timer asks it.
#[test]
fn a_disk_without_interrupts_is_asked_by_the_timer() {
    let disk = Disk::new(None);
    let machine = disk.attach_to(machine("init=swap_copy")).machine(ci::qemu::MachineType::Pc);
    let transcript = boot_and_pass(&machine.qemu_argument("-global").qemu_argument("virtio-blk-pci.vectors=0"));
    says(&transcript, "the disk is asked by the timer");
    says(&transcript, "swap_copy: all cases hold on 4 CPUs, store 2");
}

#[test]
fn buffers_of_system_calls_may_be_swapped_out_or_unmapped() {
    let transcript = boot_and_pass(&machine("init=swap_copy"));
    says(&transcript, "swap_copy: this line was swapped out");
    says(&transcript, "swap_copy: all cases hold on 4 CPUs, store 1");
    let disk = Disk::new(None);
    let transcript = boot_and_pass(&disk.attach_to(machine("init=swap_copy")));
    says(&transcript, "swap_copy: this line was swapped out");
    says(&transcript, "swap_copy: all cases hold on 4 CPUs, store 2");
}

/// With and without whoever reads the page being its owner.
fn each_reader(command_line: &str, disk: Option<&'static str>, end: &str) {
    for reader in ["", " reader=parent"] {
        let machine = machine(&format!("init=swap_error {command_line}{reader}"));
        let transcript = match disk {
            None => boot_and_pass(&machine),
            Some(rule) => {
                let disk = Disk::new((rule != "none").then_some(rule));
                boot_and_pass(&disk.attach_to(machine))
            }
        };
        says(&transcript, &format!("swap_error: the program ended for {end}"));
    }
}

#[test]
fn a_damaged_page_is_told_and_never_returned() {
    each_reader("lost=1 swap-corrupt=1", None, "cause 4 with status 1");
    each_reader("lost=1 swap-corrupt=1", Some("none"), "cause 4 with status 1");
}

#[test]
fn a_page_that_cannot_be_read_ends_its_owner_alone() {
    each_reader("lost=2", Some("read"), "cause 4 with status 2");
}

#[test]
fn a_page_that_cannot_be_written_stays() {
    let disk = Disk::new(Some("write"));
    let transcript = boot_and_pass(&disk.attach_to(machine("init=swap_error lost=0")));
    says(&transcript, "swap: the disk refuses to do Out of slot 0");
    says(&transcript, "swap_error: the program ended for cause 0 with status 0");
}

#[test]
fn nothing_is_swapped_where_the_command_line_says_so() {
    let transcript = ci_boot_fails(&machine("init=swap_copy swap=off"));
    says(&transcript, "swap off");
    says(&transcript, "Err(NotPermitted)");
}

/// Boots a machine whose first program is expected to be content with less than it gets.
fn ci_boot_fails(machine: &Machine) -> Transcript {
    let transcript = integration_tests::boot(machine);
    assert_eq!(transcript.outcome, ci::outcome::Outcome::Fail, "{transcript}");
    transcript
}

#[test]
fn a_wrong_word_on_the_command_line_is_named() {
    for (word, complaint) in
        [("swap=much", "swap=much on the command line is none of"), ("swap=disk", "there is no virtio block device")]
    {
        let transcript = integration_tests::boot(&machine(word));
        assert_eq!(transcript.outcome, ci::outcome::Outcome::Panic, "{transcript}");
        says(&transcript, complaint);
    }
}
