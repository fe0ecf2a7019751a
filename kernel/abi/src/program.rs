//! How programs start and how their end is told.

use zerocopy::{FromBytes, Immutable, IntoBytes};

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
    /// A page of it that was swapped out cannot be brought back; `status` is a [`PageLoss`], `address` is in the page.
    PageLost = 4,
    /// The kernel failed while it worked for the program, in a way that concerns nobody else: see `docs/lockdown.md`. The
    /// rest is as for [`Self::Trap`], of the trap in the kernel.
    KernelFailure = 5,
}

/// Why a page that was swapped out cannot be brought back.
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
    /// The address that was accessed, by page faults and by #GP, #SS and #AC where the instruction tells; else 0.
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
