//! One user at a time: of configuration space, and of each function.

use alloc::vec::Vec;

use gatehouse_abi::Error;
use virtio_drivers::transport::pci::bus::{ConfigurationAccess as _, DeviceFunction, PciRoot};

use super::ports::Ports;
use crate::memory::fallible;
use crate::sync::Mutex;

/// Functions that somebody has; the lock is also that of configuration space.
static CLAIMED: Mutex<Vec<DeviceFunction>> = Mutex::new(Vec::new());

/// Uses configuration space, which nobody else does meanwhile.
pub fn with_root<R>(use_it: impl FnOnce(&mut PciRoot<Ports>) -> R) -> R {
    let _claimed = CLAIMED.lock();
    use_it(&mut locked_root())
}

/// As [`with_root`], register by register.
pub(super) fn with_ports<R>(use_them: impl FnOnce(&mut Ports) -> R) -> R {
    let _claimed = CLAIMED.lock();
    // SAFETY: as in `locked_root`.
    use_them(&mut unsafe { Ports::new() })
}

/// With the lock held.
fn locked_root() -> PciRoot<Ports> {
    // SAFETY: ring 0; whoever holds the lock is the only one that uses the ports.
    PciRoot::new(unsafe { Ports::new() })
}

/// Takes a function for a driver in the kernel, for good.
pub fn claim_for_kernel(function: DeviceFunction) {
    #[expect(clippy::disallowed_methods, reason = "before any program runs")]
    CLAIMED.lock().push(function);
}

/// Takes a function.
///
/// # Errors
/// [`Error::NotFound`] if there is none, [`Error::WrongState`] if somebody has it, [`Error::OutOfMemory`].
pub(super) fn claim(function: DeviceFunction) -> Result<(), Error> {
    /// What is read where nothing answers.
    const NOTHING: u32 = u32::MAX;
    let mut claimed = CLAIMED.lock();
    // SAFETY: as in `locked_root`.
    let identity = unsafe { Ports::new() }.read_word(function, 0);
    if identity == NOTHING {
        return Err(Error::NotFound);
    }
    if claimed.contains(&function) {
        return Err(Error::WrongState);
    }
    Ok(fallible::push(&mut claimed, function)?)
}

/// Gives a function back.
pub(super) fn release(function: DeviceFunction) {
    CLAIMED.lock().retain(|claimed| *claimed != function);
}
