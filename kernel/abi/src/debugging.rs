//! What debuggers say and are told.

use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Hardware breakpoints that a thread has, by numbers from 0.
pub const HARDWARE_BREAKPOINTS: u64 = 4;

/// [`crate::SystemCall::SetHardwareBreakpoint`]: none; address and length are ignored.
pub const BREAKPOINT_NONE: u64 = 0;
/// [`crate::SystemCall::SetHardwareBreakpoint`]: before the instruction at the address is executed; the length is 1.
pub const BREAKPOINT_EXECUTE: u64 = 1;
/// [`crate::SystemCall::SetHardwareBreakpoint`]: after a write to any of 1, 2, 4 or 8 bytes at a multiple of their number.
pub const BREAKPOINT_WRITE: u64 = 2;
/// [`crate::SystemCall::SetHardwareBreakpoint`]: after a read or write, likewise.
pub const BREAKPOINT_READ_WRITE: u64 = 3;

/// In the error code of trap 26, debug: a single step has ended. Bits 0 to 3 say which hardware breakpoints were met.
pub const DEBUG_SINGLE_STEP: u64 = 1 << 14;

/// What a thread does, as far as others can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum ThreadState {
    /// It runs, is ready to, sleeps, or waits for a program to end or for a page.
    Running = 0,
    /// It does not run until [`crate::SystemCall::ResumeThread`].
    Suspended = 1,
    /// It stands at a breakpoint, and nobody handles it: see [`crate::SystemCall::ClearBreakpoint`].
    Paused = 2,
    /// It waits at an endpoint, to send, to receive, or for its fault to be received.
    AtEndpoint = 3,
    /// It waits for the reply to a call or to its fault.
    AwaitsReply = 4,
    /// It waits for a notification to be signalled.
    AtNotification = 5,
}

impl ThreadState {
    /// Every state, in the order of the numbers.
    pub const ALL: [Self; 6] =
        [Self::Running, Self::Suspended, Self::Paused, Self::AtEndpoint, Self::AwaitsReply, Self::AtNotification];

    /// The state with this number.
    #[must_use]
    pub const fn from_number(number: u64) -> Option<Self> {
        if number < Self::ALL.len() as u64 { Some(Self::ALL[number as usize]) } else { None }
    }
}

/// A thread of a program, as [`crate::SystemCall::ListThreads`] writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes)]
#[repr(C)]
pub struct ThreadInformation {
    /// Its number, never used again.
    pub number: u64,
    /// The CPU that it runs on, or ran on last.
    pub cpu: u64,
    /// A [`ThreadState`] as a number, as it was a moment ago.
    pub state: u64,
}

#[cfg(test)]
mod tests {
    use super::ThreadState;

    #[test]
    fn states_are_dense() {
        for (number, state) in ThreadState::ALL.into_iter().enumerate() {
            assert_eq!(state as usize, number);
            assert_eq!(ThreadState::from_number(number as u64), Some(state));
        }
        assert_eq!(ThreadState::from_number(ThreadState::ALL.len() as u64), None);
    }
}
