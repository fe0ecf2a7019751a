//! Stopping programs and threads.

use crate::abi::{Error, SystemCall};
use crate::message::plain;

/// Ends a program.
///
/// # Errors
/// [`Error::Gone`] if it is ending already; [`Error::BadCapability`], [`Error::NoRight`].
pub fn kill_program(program: u64) -> Result<u64, Error> {
    plain(SystemCall::KillProgram, [program, 0, 0, 0, 0, 0])
}

/// Stops a thread until [`crate::message::resume_thread`]: the calling one for [`crate::message::SELF`]. It executes nothing
/// any more when this returns.
///
/// # Errors
/// [`Error::Gone`] if its program is ending; [`Error::BadCapability`], [`Error::NoRight`].
pub fn suspend_thread(thread: u64) -> Result<u64, Error> {
    plain(SystemCall::SuspendThread, [thread, 0, 0, 0, 0, 0])
}

/// Sets the priority of a thread that is suspended or paused, or of the calling one ([`crate::message::SELF`]).
///
/// # Errors
/// [`Error::InvalidArgument`] for what is not in [`crate::abi::PRIORITIES`]; [`Error::NotPermitted`] above
/// [`crate::abi::DEFAULT_PRIORITY`] but in the first program; [`Error::WrongState`], [`Error::BadCapability`], [`Error::NoRight`].
pub fn set_priority(thread: u64, priority: u64) -> Result<u64, Error> {
    plain(SystemCall::SetPriority, [thread, priority, 0, 0, 0, 0])
}

/// Says which trap instructions of the calling thread do nothing: a sum of [`crate::abi::PASS_BREAKPOINT`] and
/// [`crate::abi::PASS_UNDEFINED`]. Answers what was so before.
///
/// # Errors
/// [`Error::InvalidArgument`] for other bits; [`Error::WrongState`] if the thread has a fault handler.
pub fn pass_traps(mask: u64) -> Result<u64, Error> {
    plain(SystemCall::PassTraps, [mask, 0, 0, 0, 0, 0])
}
