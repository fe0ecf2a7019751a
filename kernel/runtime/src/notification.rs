//! Notifications: bits that are signalled and waited for.

use crate::abi::{Error, SystemCall};
use crate::message::{exchange_words, plain};

/// Makes a notification; answers its slot.
///
/// # Errors
/// [`Error::QuotaReached`], [`Error::OutOfMemory`].
pub fn create() -> Result<u64, Error> {
    plain(SystemCall::CreateNotification, [0; 6])
}

/// Sets the bits of the capability's badge; without a badge, bit 0.
///
/// # Errors
/// [`Error::BadCapability`], [`Error::NoRight`].
pub fn signal(notification: u64) -> Result<u64, Error> {
    plain(SystemCall::Signal, [notification, 0, 0, 0, 0, 0])
}

/// Takes the bits that are set, or waits until some are.
///
/// # Errors
/// [`Error::Gone`] if the last capability went; [`Error::BadCapability`], [`Error::NoRight`].
pub fn wait(notification: u64) -> Result<u64, Error> {
    wait_for(notification, u64::MAX)
}

/// Takes the bits that are set, if any.
///
/// # Errors
/// [`Error::WouldBlock`] if none are; as for [`wait`].
pub fn poll(notification: u64) -> Result<u64, Error> {
    wait_for(notification, 0)
}

/// Takes the bits that are set, or waits at most so many nanoseconds for some.
///
/// # Errors
/// [`Error::WouldBlock`] if none were set in time; as for [`wait`].
pub fn wait_for(notification: u64, nanoseconds: u64) -> Result<u64, Error> {
    exchange_words(SystemCall::Wait, notification, nanoseconds, [0; 4]).map(|message| message.badge)
}
