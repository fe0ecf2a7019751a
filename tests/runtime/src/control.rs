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
