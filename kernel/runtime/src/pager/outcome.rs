//! What came of a fault.

use core::fmt;

use crate::abi::{Error, TrapNumber};

/// What was done: the client is to be resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// A page of zeros is there.
    Fresh,
    /// The image's page is there, to be read.
    Shared,
    /// A copy of the image's page is there, the client's own.
    Copied,
    /// Nothing: another thread of the client touched the page as well, and was answered first.
    Already,
}

/// Why nothing was done: the client cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The fault is another one than a load or a store of a page.
    NotAnAccess(TrapNumber),
    /// No region has the address.
    Outside {
        /// What was accessed.
        address: u64,
    },
    /// The address is right below a stack that is as large as it may be.
    StackOverflow {
        /// What was accessed.
        address: u64,
        /// Bytes that the stack may have.
        limit: u64,
    },
    /// The kernel refuses: its error.
    Kernel(Error),
}

impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnAccess(trap) => write!(out, "a {trap}, which is no access to memory"),
            Self::Outside { address } => write!(out, "{address:#x} is in no region"),
            Self::StackOverflow { address, limit } => {
                write!(out, "stack overflow at {address:#x}: the stack may have {} KiB", limit / 1024)
            }
            Self::Kernel(error) => write!(out, "the kernel refuses the page: {error:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, Refused, TrapNumber};

    #[test]
    fn every_refusal_names_what_was_wrong() {
        let overflow = Refused::StackOverflow { address: 0x7000_0ff8, limit: 64 * 1024 };
        assert_eq!(overflow.to_string(), "stack overflow at 0x70000ff8: the stack may have 64 KiB");
        assert_eq!(Refused::Outside { address: 0x10 }.to_string(), "0x10 is in no region");
        assert_eq!(
            Refused::NotAnAccess(TrapNumber::DIVIDE_ERROR).to_string(),
            "a divide error, which is no access to memory"
        );
        assert_eq!(Refused::Kernel(Error::OutOfMemory).to_string(), "the kernel refuses the page: OutOfMemory");
    }
}
