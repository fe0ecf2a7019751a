//! Which disk there is.

use core::fmt;

use virtio_drivers::transport::DeviceType;
use virtio_drivers::transport::pci::bus::{Command, ConfigurationAccess, DeviceFunction, PciRoot};
use virtio_drivers::transport::pci::{PciTransport, virtio_device_type};

use super::device::{Disk, DiskError};
use super::interrupt;
use super::memory::DeviceMemory;
use crate::arch::keep_ports;
use crate::pci::{Ports, Regions, claim_for_kernel, with_root};

/// The device is there, but cannot be used.
#[derive(Debug)]
pub enum FindError {
    /// Its registers cannot be found.
    Transport(virtio_drivers::transport::pci::VirtioPciError),
    /// It does not do what it must.
    Disk(DiskError),
}

impl fmt::Display for FindError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(error) => write!(out, "the virtio block device cannot be used: {error}"),
            Self::Disk(error) => write!(out, "the virtio block device cannot be used: {error}"),
        }
    }
}

impl core::error::Error for FindError {}

/// Takes the first virtio block device of the first PCI bus into use; `None` if there is none.
///
/// To be called once, at the start.
///
/// # Errors
/// [`FindError`].
pub fn find() -> Result<Option<Disk>, FindError> {
    let Some((function, disk)) = with_root(find_below)? else { return Ok(None) };
    claim_for_kernel(function);
    Ok(Some(disk))
}

fn find_below<C: ConfigurationAccess>(root: &mut PciRoot<C>) -> Result<Option<(DeviceFunction, Disk)>, FindError> {
    let found = root.enumerate_bus(0).find(|(_, info)| virtio_device_type(info) == Some(DeviceType::Block));
    let Some((function, _)) = found else { return Ok(None) };
    // SAFETY: ring 0; whoever has the root is the only one that uses the ports, and it is not used while this writes.
    let regions = Regions::measure(&mut unsafe { Ports::new() }, function);
    // Its registers can be reached by ports, too.
    regions.port_ranges().for_each(|ports| keep_ports(ports, "the swap disk"));
    // The firmware may have left it without access to memory.
    let (_, command) = root.get_status_command(function);
    root.set_command(function, command | Command::MEMORY_SPACE | Command::BUS_MASTER);
    let transport = PciTransport::new::<DeviceMemory, _>(root, function).map_err(FindError::Transport)?;
    let mut disk = Disk::new(transport).map_err(FindError::Disk)?;
    disk.set_interrupts(interrupt::enable(root, function, &regions));
    Ok(Some((function, disk)))
}
