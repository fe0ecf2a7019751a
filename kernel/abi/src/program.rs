//! How programs start and how their end is told.

use core::fmt;

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::TrapNumber;

/// [`crate::SystemCall::SpawnThread`] and [`crate::SystemCall::SpawnProgram`]: any CPU will do.
pub const ANY_CPU: u64 = u64::MAX;
/// The most bytes of a set of CPUs, as [`crate::SystemCall::SetAffinity`] reads it: 32768 CPUs.
pub const AFFINITY_LIMIT: u64 = 4096;
/// In place of a CPU index: every CPU that runs but the caller's.
pub const ALL_OTHER_CPUS: u64 = u64::MAX - 1;

/// [`crate::SystemCall::SpawnProgram`]: the kernel prints no line when the program is shut down; whoever started it tells.
pub const SPAWN_QUIET: u64 = 1;

/// [`crate::SystemCall::SpawnProgram`]: the program's first thread does not run until
/// [`crate::SystemCall::ResumeThread`]. Meanwhile it can be given capabilities and a fault handler.
pub const SPAWN_SUSPENDED: u64 = 2;

/// The least urgent and the most urgent priority of a thread.
pub const PRIORITIES: core::ops::RangeInclusive<u64> = 0..=63;
/// What threads start with; the first program alone can give more.
pub const DEFAULT_PRIORITY: u64 = 16;

/// Why a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum EndCause {
    /// It asked to; `status` is its answer.
    Exited = 0,
    /// It was shut down for a trap that nobody handles.
    Trap = 1,
    /// It was killed from outside.
    Killed = 2,
    /// One of its threads has waited for its fault handler for too long; the other fields are those of the fault.
    HandlerTimeout = 3,
    /// A page of it that was swapped out cannot be swapped in; `status` is a [`PageLoss`], `address` is in the page.
    PageLost = 4,
    /// The kernel failed while it worked for the program, in a way that concerns nobody else: see `docs/lockdown.md`. The
    /// rest is as for [`Self::Trap`], of the trap in the kernel.
    KernelFailure = 5,
}

/// Why a page that was swapped out cannot be swapped in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum PageLoss {
    /// What was read is not what was written: the checksum differs.
    Corrupt = 1,
    /// The disk could not read it.
    InputOutput = 2,
    /// There is no memory for it, and no other page could be swapped out.
    NoMemory = 3,
}

/// How a program ended, as [`crate::SystemCall::WaitProgram`] writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes)]
#[repr(C)]
pub struct ProgramEnd {
    /// The program's number, as [`crate::SystemCall::SpawnProgram`] answered it.
    pub program: u64,
    /// An [`EndCause`] as a number.
    pub cause: u64,
    /// The exit status; for [`EndCause::PageLost`] a [`PageLoss`]; else 0.
    pub status: u64,
    /// For [`EndCause::Trap`]: the [`crate::TrapNumber`].
    pub trap: u64,
    /// The processor's own number of the trap.
    pub vector: u64,
    /// The processor's error code; 0 when the trap has none.
    pub error_code: u64,
    /// The address that was accessed, by page faults and by #GP, #SS and #AC where the instruction tells; of a machine check, where the
    /// error was; of a trap about no address, the instruction pointer. The same as the fault's handler is told.
    pub address: u64,
    /// The instruction pointer.
    pub instruction_pointer: u64,
    /// The stack pointer.
    pub stack_pointer: u64,
    /// The thread's number.
    pub thread: u64,
    /// The CPU that took the trap.
    pub cpu: u64,
}

/// Why a program ended, in words.
impl fmt::Display for ProgramEnd {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const EXITED: u64 = EndCause::Exited as u64;
        const TRAP: u64 = EndCause::Trap as u64;
        const KILLED: u64 = EndCause::Killed as u64;
        const HANDLER_TIMEOUT: u64 = EndCause::HandlerTimeout as u64;
        const PAGE_LOST: u64 = EndCause::PageLost as u64;
        const KERNEL_FAILURE: u64 = EndCause::KernelFailure as u64;
        match self.cause {
            EXITED => return write!(out, "exited with status {}", self.status),
            KILLED => return out.write_str("killed"),
            PAGE_LOST => {
                let why = match self.status {
                    status if status == PageLoss::Corrupt as u64 => "it came back changed",
                    status if status == PageLoss::InputOutput as u64 => "the disk could not read it",
                    status if status == PageLoss::NoMemory as u64 => "there is no memory for it",
                    _ => "nobody knows why",
                };
                return write!(out, "lost the page of address {:#x}: {why}", self.address);
            }
            TRAP => {}
            HANDLER_TIMEOUT => out.write_str("its fault handler took too long: ")?,
            KERNEL_FAILURE => out.write_str("the kernel failed while it worked for it: ")?,
            other => return write!(out, "ended for a cause without a name, {other}"),
        }
        let trap = TrapNumber::from_bits(self.trap);
        write!(out, "{trap} at {:#x}, address {:#x}, on CPU {}", self.instruction_pointer, self.address, self.cpu)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "the tests run on the host, where memory cannot be refused")]

    extern crate std;

    use std::string::ToString;

    use super::*;

    #[test]
    fn ends_are_told_in_words() {
        let end = |cause: EndCause, status| ProgramEnd {
            cause: cause as u64,
            status,
            address: 0x7000,
            ..ProgramEnd::default()
        };
        assert_eq!(end(EndCause::Exited, 3).to_string(), "exited with status 3");
        assert_eq!(end(EndCause::Killed, 0).to_string(), "killed");
        let lost = end(EndCause::PageLost, PageLoss::NoMemory as u64).to_string();
        assert_eq!(lost, "lost the page of address 0x7000: there is no memory for it");
        for (cause, words) in [
            (EndCause::Trap, ""),
            (EndCause::HandlerTimeout, "its fault handler took too long: "),
            (EndCause::KernelFailure, "the kernel failed while it worked for it: "),
        ] {
            let text = end(cause, 0).to_string();
            assert!(text.starts_with(words) && text.ends_with(" at 0x0, address 0x7000, on CPU 0"), "{text}");
        }
        assert_eq!(
            ProgramEnd { cause: 77, ..ProgramEnd::default() }.to_string(),
            "ended for a cause without a name, 77"
        );
    }
}
