//! Slot to object.

use gatehouse_abi::Error;
use gatehouse_core::capability::{Rights, Slot};

use crate::object::KernelObject;
use crate::thread::Thread;

pub(super) fn slot(number: u64) -> Result<Slot, Error> {
    Slot::new(number).ok_or(Error::BadCapability)
}

/// Looks at the object behind a slot of the thread's program, which must be of this type and come with the right, and at the
/// capability's badge. `look` runs under the lock of the program's capabilities.
///
/// # Errors
/// [`Error::BadCapability`] if the slot is empty or what is there is of another type; [`Error::NoRight`].
#[inline(always)]
pub(super) fn with<T: KernelObject, R>(
    thread: &Thread,
    number: u64,
    right: Rights,
    look: impl FnOnce(&T, u64) -> R,
) -> Result<R, Error> {
    let found = thread.program().capabilities().inspect(slot(number)?, |capability| {
        let object = capability.object.get::<T>().ok_or(Error::BadCapability)?;
        if capability.rights.contains(right) { Ok(look(object, capability.badge)) } else { Err(Error::NoRight) }
    });
    found.unwrap_or(Err(Error::BadCapability))
}

/// The reference behind a slot: as a capability of its own.
///
/// # Errors
/// Those of [`with`].
pub(super) fn find<T: KernelObject>(thread: &Thread, number: u64, right: Rights) -> Result<T, Error> {
    with(thread, number, right, |object: &T, _| object.clone())
}
