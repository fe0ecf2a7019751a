//! What a first program does with the programs whose faults it handles, besides [`crate::child`]. Everything that waits has
//! an end: what does not come in time ends the caller with [`WRONG`](crate::WRONG).

use crate::raw::message::{Message, Suspended, first_utcb, receive, set_fault_handler};
use gatehouse_runtime::Kernel;
use gatehouse_runtime::abi::{EndCause, Error, FaultMessage, MessageTag, ProgramEnd, SystemInformation, TrapNumber};
use gatehouse_runtime::time::{Deadline, MILLISECOND, SECOND, wait_until};

use crate::check;
use crate::check::wrong;
use crate::child;

/// How long anything may take.
const PATIENCE: u64 = 30 * SECOND;

/// A message without label and words.
pub const PLAIN: MessageTag = MessageTag::new(0, 0);

/// Lets a child run, with its faults bound to an endpoint if one is given.
pub fn start(child: Suspended, handler: Option<u64>) {
    if let Some(endpoint) = handler {
        let bound = set_fault_handler(child.thread, endpoint);
        check!(bound.is_ok(), "not bound: {bound:?}");
    }
    child::resume(&child);
}

/// The next message.
#[must_use]
pub fn receive_in_time(endpoint: u64) -> Message {
    let deadline = Deadline::after(PATIENCE);
    loop {
        match receive(endpoint, PLAIN.non_blocking()) {
            Ok(message) => return message,
            Err(Error::WouldBlock) if !deadline.passed() => Kernel::sleep(MILLISECOND / 2),
            Err(error) => wrong(file!(), format_args!("no message: {error:?}")),
        }
    }
}

/// The next message, which must be a fault.
#[must_use]
pub fn fault_in_time(endpoint: u64) -> (u64, FaultMessage) {
    let message = receive_in_time(endpoint);
    // SAFETY: only first threads come here.
    match message.fault(&unsafe { first_utcb() }) {
        Some(fault) => (message.badge, fault),
        None => wrong(file!(), format_args!("no fault: {message:?}")),
    }
}

/// The next child to end must be this one, and exit with 0.
pub fn exits_well(child: Suspended) {
    let end = child::end();
    check!(end.program == child.number, "program {} ended, expected {}: {end:x?}", end.program, child.number);
    check!(end.cause == EndCause::Exited as u64 && end.status == 0, "{end:x?}");
}

/// Whether a program was shut down for this trap.
#[must_use]
pub fn is_shut_down(end: &ProgramEnd, trap: TrapNumber) -> bool {
    end.cause == EndCause::Trap as u64 && end.trap == trap.to_bits()
}

/// Whether no child ends while one waits a little.
#[must_use]
pub fn nobody_ends() -> bool {
    Kernel::wait_program(20 * MILLISECOND) == Ok(None)
}

/// Deletes a capability, which must be there.
pub fn delete(slot: u64) {
    child::delete(&[slot]);
}

/// Deletes the capabilities of a child.
pub fn forget(child: Suspended) {
    child::forget(&child);
}

/// What the kernel has in use now.
#[must_use]
pub fn in_use() -> SystemInformation {
    match Kernel::system_information() {
        Ok(system) => system,
        Err(error) => wrong(file!(), format_args!("no system information: {error:?}")),
    }
}

/// Does something for each number, and sees after each time that nothing is left of it. Once it is done beforehand: what
/// tables take when they grow, they keep.
pub fn rounds(numbers: core::ops::Range<u64>, mut each: impl FnMut(u64)) {
    each(numbers.start);
    for number in numbers {
        let before = settled();
        each(number);
        nothing_is_left(&before);
    }
}

/// What is in use when nothing changes any more: the end of a program is told a moment before all CPUs are done with it.
#[must_use]
pub fn settled() -> SystemInformation {
    let last = core::cell::Cell::new(in_use());
    let same = wait_until(2 * SECOND, || {
        Kernel::sleep(2 * MILLISECOND);
        let now = in_use();
        last.replace(now) == now && now.programs == 1
    });
    check!(same, "what is in use changes all the time, or a program stays: {:?}", last.get());
    last.get()
}

/// Programs and threads must be what they were, and frames and heap no more; what has just ended has a moment for it. What was
/// still being freed when `before` was read is less now.
pub fn nothing_is_left(before: &SystemInformation) {
    let is_back = |now: &SystemInformation| {
        (now.programs, now.threads) == (before.programs, before.threads)
            && now.frames_in_use <= before.frames_in_use
            && now.heap_bytes_in_use <= before.heap_bytes_in_use
    };
    let counts =
        |system: &SystemInformation| (system.programs, system.threads, system.frames_in_use, system.heap_bytes_in_use);
    let settled = wait_until(2 * SECOND, || is_back(&in_use()));
    check!(settled, "programs, threads, frames, bytes: before {:?}, after {:?}", counts(before), counts(&in_use()));
}
