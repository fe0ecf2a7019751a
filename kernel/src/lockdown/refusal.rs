//! Why a failure of the kernel could not be made one program's: what the report says.

use core::fmt;

/// Why an overflow is not contained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The guard page belongs to another CPU's stack.
    OtherCpu,
    /// It happened while another overflow was being handled: on the double fault stack, for instance.
    Nested,
    /// The CPU was not running on the stack that overflowed.
    NotOnStack,
    /// It was, and the stack had room: the access was a wild one.
    NotFull,
    /// The CPU starts, or is idle.
    NoThread,
    /// Nobody would ever release the lock.
    LockHeld,
    /// The CPU's own run queue, timer list or decoder was being changed.
    LocalInUse,
    /// The handler whose stack overflowed had interrupted the kernel, which may have been in the middle of anything.
    KernelInterrupted,
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::OtherCpu => "the stack is another CPU's",
            Self::Nested => "this CPU was handling an overflow already",
            Self::NotOnStack => "the CPU did not run on that stack",
            Self::NotFull => "the stack was not full",
            Self::NoThread => "no thread runs on this CPU",
            Self::LockHeld => "this CPU holds a lock",
            Self::LocalInUse => "this CPU's own lists were being changed",
            Self::KernelInterrupted => "the handler had interrupted the kernel",
        })
    }
}
