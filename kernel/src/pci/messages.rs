//! A message of a function: an interrupt without a line.
//!
//! The message's form is Intel SDM volume 3, "Message Signalled Interrupts".

use alloc::sync::Arc;
use core::fmt;

use gatehouse_abi::Error;
use percpu::ApicId;

use super::claims::with_ports;
use super::device::Device;
use super::msi::Msi;
use super::msi_x;
use crate::memory::kernel_space::{PhysicalMapping, map_registers};

/// Where the local APICs take messages: the CPU's id follows from bit 12 on.
const APIC_MESSAGES: u32 = 0xfee0_0000;
/// A message reaches the CPUs whose ids are below this.
const REACHABLE: u32 = 255;

/// One of a function's messages.
#[derive(Debug)]
pub struct Message {
    device: Arc<Device>,
    number: u64,
    way: Way,
}

/// How the function is told of where a message goes.
#[derive(Debug)]
enum Way {
    Msi(Msi),
    /// By the registers of its entry.
    MsiX(PhysicalMapping),
}

impl Message {
    /// The message with a number, masked. MSI-X is used where the function has it.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the function has no such message, [`Error::OutOfMemory`].
    pub fn new(device: Arc<Device>, number: u64) -> Result<Self, Error> {
        let function = device.function();
        let capabilities = device.capabilities();
        let way = if let (Some(offset), Some(table)) = (capabilities.msi_x, device.message_table()) {
            let at = table.entry(number).ok_or(Error::NotFound)?;
            let entry = device.part(table.region.into(), at, msi_x::ENTRY_BYTES).ok_or(Error::NotFound)?;
            let entry = map_registers(entry, msi_x::ENTRY_BYTES).map_err(|_| Error::OutOfMemory)?;
            device.enable_memory();
            // SAFETY: the entry's registers, just mapped; its user is this message alone.
            unsafe { msi_x::mask(entry.address().as_mut_ptr()) };
            with_ports(|ports| msi_x::enable(ports, function, offset));
            Way::MsiX(entry)
        } else {
            let offset = capabilities.msi.filter(|_| number == 0).ok_or(Error::NotFound)?;
            let msi = with_ports(|ports| Msi::read(ports, function, offset));
            with_ports(|ports| msi.mask(ports));
            Way::Msi(msi)
        };
        device.allow_messages();
        Ok(Self { device, number, way })
    }

    /// The function's address on the bus, and the number.
    #[must_use]
    pub fn identity(&self) -> (u64, u64) {
        (self.device.address(), self.number)
    }

    /// Opens it: the message raises `vector` on the CPU with this id. Answers whether that can be expressed.
    pub fn open(&self, vector: u8, destination: ApicId) -> bool {
        let Some((address, value)) = address_and_value(vector, destination) else { return false };
        match &self.way {
            Way::Msi(msi) => with_ports(|ports| msi.open(ports, address, value)),
            // SAFETY: the entry's registers, mapped as long as this lives; `Interrupt` lets one CPU in at a time.
            Way::MsiX(entry) => unsafe { msi_x::open(entry.address().as_mut_ptr(), address, value) },
        }
        true
    }

    /// Masks it.
    pub fn mask(&self) {
        match &self.way {
            Way::Msi(msi) => with_ports(|ports| msi.mask(ports)),
            // SAFETY: as in `open`.
            Way::MsiX(entry) => unsafe { msi_x::mask(entry.address().as_mut_ptr()) },
        }
    }
}

/// Where a message goes, and what it says, to raise `vector` on the CPU with this id; `None` if none reaches that one.
#[must_use]
pub fn address_and_value(vector: u8, destination: ApicId) -> Option<(u32, u32)> {
    let id = destination.get();
    (id < REACHABLE).then_some((APIC_MESSAGES | id << 12, u32::from(vector)))
}

impl Drop for Message {
    fn drop(&mut self) {
        self.mask();
        if let Way::Msi(msi) = &self.way {
            with_ports(|ports| msi.close(ports));
        }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "message {} of PCI function {}", self.number, self.device.function())
    }
}
