//! Pages that are swapped out, and come back as they were or not at all.

use std::time::Duration;

use ci::machine::Machine;
use ci::transcript::Transcript;
use integration_tests::{DiskFailure, SwapDisk, boot_and_pass};

/// A machine that boots this, with time for a host that has other plans.
fn machine(command_line: &str) -> Machine {
    Machine::new().time_limit(Duration::from_secs(480)).command_line(command_line)
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
    let transcript = boot_and_pass(&machine("init=swap_thrash thrash=3").memory_mib(64).disk_mib(256));
    says(&transcript, "the disk interrupts");
    says(&transcript, "free, store 2");
}

#[test]
fn programs_may_end_while_their_pages_are_on_their_way() {
    let disk = SwapDisk::new(DiskFailure::None);
    for machine in [machine("init=swap_kill"), disk.attach_to(machine("init=swap_kill"))] {
        let transcript = boot_and_pass(&machine.memory_mib(64));
        says(&transcript, "swap_kill: 12 programs killed");
    }
}

/// Another chip set, and a device that has no interrupt of its own: the timer asks it.
#[test]
fn a_disk_without_interrupts_is_asked_by_the_timer() {
    let disk = SwapDisk::new(DiskFailure::None);
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
    let disk = SwapDisk::new(DiskFailure::None);
    let transcript = boot_and_pass(&disk.attach_to(machine("init=swap_copy")));
    says(&transcript, "swap_copy: this line was swapped out");
    says(&transcript, "swap_copy: all cases hold on 4 CPUs, store 2");
}

/// A program has ended since a page of it was lost, for this reason; `who` are the words before.
fn ended_for_a_lost_page(transcript: &Transcript, who: &str, reason: &str) {
    let begin = format!("{who} ended: lost the page of address 0x");
    let told = transcript.console.iter().any(|line| line.starts_with(&begin) && line.ends_with(reason));
    assert!(told, "{begin}...: {reason} in {transcript}");
}

/// What came back is not what was written.
const CHANGED: &str = "it came back changed";
/// It did not come back.
const UNREADABLE: &str = "the disk could not read it";

/// With and without whoever reads the page being its owner.
fn each_reader(command_line: &str, disk: Option<DiskFailure>, end: &str) {
    for reader in ["", " reader=parent"] {
        let machine = machine(&format!("init=swap_error {command_line}{reader}"));
        let transcript = match disk {
            None => boot_and_pass(&machine),
            Some(failure) => boot_and_pass(&SwapDisk::new(failure).attach_to(machine)),
        };
        ended_for_a_lost_page(&transcript, "swap_error: the program", end);
    }
}

#[test]
fn a_damaged_page_is_told_and_never_returned() {
    each_reader("lost=1 swap-corrupt=1", None, CHANGED);
    each_reader("lost=1 swap-corrupt=1", Some(DiskFailure::None), CHANGED);
}

#[test]
fn a_page_that_cannot_be_read_ends_its_owner_alone() {
    each_reader("lost=2", Some(DiskFailure::FailsToRead), UNREADABLE);
}

/// The instruction is decoded after its page has gone; what is decoded is right once the page is back.
#[test]
fn an_instruction_whose_page_is_away_is_decoded_once_it_is_back() {
    let line = "init=decode_swapped_out test-hooks";
    let transcript = boot_and_pass(&machine(line));
    says(&transcript, "decode_swapped_out: 6 cases and 300 faults hold, store 1");
    let disk = SwapDisk::new(DiskFailure::None);
    let transcript = boot_and_pass(&disk.attach_to(machine(line)));
    says(&transcript, "decode_swapped_out: 6 cases and 300 faults hold, store 2");
}

#[test]
fn an_instruction_whose_page_is_lost_ends_its_program() {
    let boot = |line: &str, failure: Option<DiskFailure>| {
        let machine = machine(&format!("init=decode_swapped_out test-hooks {line}"));
        match failure {
            None => boot_and_pass(&machine),
            Some(failure) => boot_and_pass(&SwapDisk::new(failure).attach_to(machine)),
        }
    };
    for (line, failure, end) in [
        ("lost=1 swap-corrupt=1", None, CHANGED),
        ("lost=1 swap-corrupt=1", Some(DiskFailure::None), CHANGED),
        ("lost=2", Some(DiskFailure::FailsToRead), UNREADABLE),
    ] {
        ended_for_a_lost_page(&boot(line, failure), "decode_swapped_out: the program", end);
    }
}

/// Programs wait for it on all CPUs until it is given up; after the seconds that the command line gives it, as half a minute is
/// the rule.
#[test]
fn a_disk_that_does_not_answer_is_given_up_and_nothing_hangs() {
    let disk = SwapDisk::new(DiskFailure::Silent);
    let transcript = boot_and_pass(&disk.attach_to(machine("init=swap_silent swap-deadline=15")));
    says(&transcript, "swap: the disk has not answered for 15 s and is given up");
    ended_for_a_lost_page(&transcript, "swap_silent: the program that waited", UNREADABLE);
    says(&transcript, "swap_silent: 4 CPUs go on");
}

#[test]
fn pages_that_a_silent_disk_does_not_take_stay() {
    let disk = SwapDisk::new(DiskFailure::TakesNothing);
    let transcript = boot_and_pass(&disk.attach_to(machine("init=swap_silent stuck=writes swap-deadline=15")));
    says(&transcript, "swap: the disk has not answered for 15 s and is given up");
    says(&transcript, "swap_silent: the program that waited ended: exited with status 0");
    says(&transcript, "swap_silent: 4 CPUs go on");
}

#[test]
fn a_page_that_cannot_be_written_stays() {
    let disk = SwapDisk::new(DiskFailure::FailsToWrite);
    let transcript = boot_and_pass(&disk.attach_to(machine("init=swap_error lost=0")));
    says(&transcript, "swap: the disk refuses to do Out of slot 0");
    says(&transcript, "swap_error: the program ended: exited with status 0");
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
    for (word, complaint) in [
        ("swap=much", "swap=much on the command line is none of"),
        ("swap=disk", "there is no virtio block device"),
        ("swap-deadline=0", "swap-deadline=0 on the command line is no number of seconds from 1 to 3600"),
        ("swap-deadline=soon", "swap-deadline=soon"),
    ] {
        let transcript = integration_tests::boot(&machine(word));
        assert_eq!(transcript.outcome, ci::outcome::Outcome::Panic, "{transcript}");
        says(&transcript, complaint);
    }
}
