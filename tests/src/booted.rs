//! Boots by turns, and what every boot must leave behind.

use std::thread::available_parallelism;

use ci::machine::Machine;
use ci::outcome::Outcome;
use ci::result::{Document, Verdict};
use ci::session::Observer;
use ci::testing::{Slots, Taken};
use ci::transcript::Transcript;
use ci::workspace;

/// The host's processors, for which the machines of all test executables wait: together they must not want more than there
/// are, or they take each other's time limits.
fn processors() -> Slots {
    let count = available_parallelism().map_or(1, Into::into);
    Slots::new(workspace::target().join("boots"), count).expect("the target folder can be written to")
}

/// Keeps the machines of other tests from running while it is held.
///
/// # Panics
/// When the target folder cannot be written to.
pub fn alone() -> Taken {
    processors().take(usize::MAX).expect("files in the target folder can be locked")
}

/// Boots the machine and waits for its end, however that is.
///
/// # Panics
/// When there is no machine to boot: wrong settings, a failing build, no QEMU.
#[must_use]
pub fn boot(machine: &Machine) -> Transcript {
    boot_observed(machine, &mut ())
}

/// As [`boot`]; `observer` sees everything while it happens.
///
/// # Panics
/// As [`boot`].
#[must_use]
pub fn boot_observed(machine: &Machine, observer: &mut dyn Observer) -> Transcript {
    let _processors = processors().take(machine.host_threads()).expect("files in the target folder can be locked");
    machine.run_observed(observer).unwrap_or_else(|error| panic!("no boot: {error:#}"))
}

/// Boots the machine with the first program that its command line names; the verdict must be pass.
///
/// # Panics
/// With the transcript, when the boot ends in any other way.
#[must_use]
pub fn boot_and_pass(machine: &Machine) -> Transcript {
    let transcript = boot(machine);
    assert_eq!(transcript.outcome, Outcome::Pass, "{transcript}");
    assert!(transcript.malformed.is_empty(), "{transcript}");
    transcript
}

/// The result of the demonstration, which must be there and hold what every pass holds.
///
/// # Panics
/// With the transcript, when it does not.
pub fn checked_result(transcript: &Transcript, cpus: usize) -> Document {
    let document = transcript.result().unwrap_or_else(|key| panic!("{key} in {transcript}"));
    let document = document.unwrap_or_else(|| panic!("no result in {transcript}"));
    assert_eq!(document.verdict, Verdict::Pass, "{transcript}");
    assert_eq!(document.cpus.len(), cpus, "{transcript}");
    assert_eq!(document.frames_leaked, 0, "{transcript}");
    for (name, count) in document.traps.iter().chain(&document.handled) {
        assert_eq!(count.expected + count.unasked, count.counted, "{name} in {transcript}");
    }
    document
}
