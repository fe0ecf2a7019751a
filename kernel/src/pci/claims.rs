//! One user at a time: of configuration space, and of each function.

use alloc::vec::Vec;

use gatehouse_abi::Error;
use virtio_drivers::transport::pci::bus::{DeviceFunction, PciRoot};

use super::function::{Capabilities, Kind, kind};
use super::ports::Ports;
use super::regions::Regions;
use crate::memory::fallible;
use crate::sync::{Mutex, rank};

/// Functions that somebody has; the lock is also that of configuration space.
static CLAIMED: Mutex<Vec<DeviceFunction>, rank::Functions> = Mutex::new(Vec::new());

/// Uses configuration space, which nobody else does meanwhile.
pub fn with_root<R>(use_it: impl FnOnce(&mut PciRoot<Ports>) -> R) -> R {
    let _claimed = CLAIMED.lock();
    use_it(&mut locked_root())
}

/// As [`with_root`], register by register.
pub(super) fn with_ports<R>(use_them: impl FnOnce(&mut Ports) -> R) -> R {
    let _claimed = CLAIMED.lock();
    // SAFETY: ring 0; whoever holds the lock is the only one that uses the ports.
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

/// What a function said of itself when it was taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claimed {
    /// Where it answers.
    pub(super) regions: Regions,
    /// What tells where its messages go.
    pub(super) capabilities: Capabilities,
}

/// Takes a function. It is asked for its regions then, which nobody else uses.
///
/// # Errors
/// [`Error::NotFound`] if there is none, [`Error::NotPermitted`] if it is part of the machine and no device,
/// [`Error::WrongState`] if somebody has it, [`Error::OutOfMemory`].
pub(super) fn claim(function: DeviceFunction) -> Result<Claimed, Error> {
    let mut claimed = CLAIMED.lock();
    // SAFETY: ring 0; whoever holds the lock is the only one that uses the ports.
    let mut ports = unsafe { Ports::new() };
    match kind(&ports, function) {
        Kind::Missing => return Err(Error::NotFound),
        Kind::Machine => return Err(Error::NotPermitted),
        Kind::Device => {}
    }
    if claimed.contains(&function) {
        return Err(Error::WrongState);
    }
    fallible::push(&mut claimed, function)?;
    let capabilities = Capabilities::read(&ports, function);
    Ok(Claimed { regions: Regions::measure(&mut ports, function), capabilities })
}

/// Gives a function back.
pub(super) fn release(function: DeviceFunction) {
    CLAIMED.lock().retain(|claimed| *claimed != function);
}
