//! The configuration space of PCI devices, by I/O ports.
//!
//! PCI Local Bus Specification 3.0, "Configuration Mechanism #1". Every PC has it, with and without PCI Express, and all that
//! is needed here lies in the first 256 bytes. Where there is no PCI nothing answers, and every read gives ones.

use virtio_drivers::transport::pci::bus::{ConfigurationAccess, DeviceFunction};
use x86_64::instructions::port::{Port, PortWriteOnly};

/// Selects a register.
const ADDRESS: u16 = 0xcf8;
/// Reads or writes it.
const DATA: u16 = 0xcfc;
/// In the address: the access is one to configuration space.
const ENABLE: u32 = 1 << 31;

/// The way to the registers.
///
/// Two accesses make one, so only one CPU may use it at a time: [`with_root`](super::with_root).
#[derive(Debug)]
pub struct Ports(());

impl Ports {
    /// The way to the registers.
    ///
    /// # Safety
    /// Ring 0, and no other CPU uses these ports while the value is in use.
    pub const unsafe fn new() -> Self {
        Self(())
    }

    fn select(function: DeviceFunction, register: u8) {
        let DeviceFunction { bus, device, function } = function;
        let address =
            u32::from(bus) << 16 | u32::from(device) << 11 | u32::from(function) << 8 | u32::from(register & !3);
        // SAFETY: selecting a register changes no device; `new` was promised that nobody else selects.
        unsafe { PortWriteOnly::new(ADDRESS).write(ENABLE | address) };
    }
}

impl ConfigurationAccess for Ports {
    fn read_word(&self, function: DeviceFunction, register: u8) -> u32 {
        Self::select(function, register);
        // SAFETY: reading configuration space has no effect but for registers that say so, which nobody here reads.
        unsafe { Port::new(DATA).read() }
    }

    fn write_word(&mut self, function: DeviceFunction, register: u8, data: u32) {
        Self::select(function, register);
        // SAFETY: who writes owns the device, as for any of its registers.
        unsafe { Port::new(DATA).write(data) };
    }

    unsafe fn unsafe_clone(&self) -> Self {
        Self(())
    }
}
