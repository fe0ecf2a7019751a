//! Notifications.

use gatehouse_runtime::abi::Error;
use gatehouse_runtime::capability::{Notification, Slot};

pub(super) const fn at(slot: u64) -> Notification {
    Notification::from_slot(Slot::new(slot))
}

/// See [`Notification::create`].
///
/// # Errors
/// As there.
pub fn create() -> Result<u64, Error> {
    Notification::create().map(|notification| notification.slot().number())
}

/// See [`Notification::signal`].
///
/// # Errors
/// As there.
pub fn signal(slot: u64) -> Result<u64, Error> {
    at(slot).signal().map(|()| 0)
}

/// See [`Notification::wait`].
///
/// # Errors
/// As there.
pub fn wait(slot: u64) -> Result<u64, Error> {
    at(slot).wait()
}

/// See [`Notification::poll`].
///
/// # Errors
/// As there.
pub fn poll(slot: u64) -> Result<u64, Error> {
    at(slot).poll()
}

/// See [`Notification::wait_for`].
///
/// # Errors
/// As there.
pub fn wait_for(slot: u64, nanoseconds: u64) -> Result<u64, Error> {
    at(slot).wait_for(nanoseconds)
}
