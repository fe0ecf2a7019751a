//! A function of a device, as a driver outside the kernel has it.

use alloc::sync::Arc;
use core::ops::Range;

use gatehouse_abi::Error;
use gatehouse_core::memory::layout::PAGE_SIZE;
use virtio_drivers::transport::pci::bus::{Command, ConfigurationAccess as _, DeviceFunction};
use x86_64::PhysAddr;

use super::claims::{Claimed, claim, release, with_ports, with_root};
use super::function::{self, BUS_MASTER};
use super::pins::Pins;
use super::protection::{COMMAND, is_writable};
use super::{msi, msi_x};
use crate::memory::fallible;
use crate::memory::frame;
use crate::memory::shared_frame::{Owner, SharedFrame};
use crate::sync::{Mutex, rank};

/// Functions that can be addressed: 256 buses of 32 devices of 8.
const FUNCTIONS: u64 = 0x1_0000;
/// Bytes of configuration space that are reached.
const CONFIGURATION_BYTES: u64 = 256;

/// A function. Nobody else has it; it is free again, without messages and without access to memory, when the last capability, its
/// last frame and its last message are gone.
#[derive(Debug)]
pub struct Device {
    function: DeviceFunction,
    /// What it said of itself before anybody used it: drivers cannot change that.
    known: Claimed,
    /// Frames that it may write to. The lock is taken before that of configuration space. They are dropped behind the function's
    /// being stopped: fields go after `drop`.
    pins: Mutex<Pins, rank::Pins>,
}

impl Owner for Device {}

impl Device {
    /// The function at an address: bus in bits 15 to 8, device in 7 to 3, function in 2 to 0.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none, [`Error::NotPermitted`] if it is part of the machine and no device,
    /// [`Error::WrongState`] if somebody has it, [`Error::OutOfMemory`].
    pub fn new(address: u64) -> Result<Arc<Self>, Error> {
        if address >= FUNCTIONS {
            return Err(Error::NotFound);
        }
        let (bus, device, function) = ((address >> 8) as u8, (address >> 3 & 31) as u8, (address & 7) as u8);
        let function = DeviceFunction { bus, device, function };
        let known = claim(function)?;
        // Refused, it is dropped, which gives the function back.
        Ok(fallible::new_arc(Self { function, known, pins: Mutex::new(Pins::default()) })?)
    }

    /// Which it is.
    #[must_use]
    pub const fn function(&self) -> DeviceFunction {
        self.function
    }

    /// Its address, as for [`Self::new`].
    #[must_use]
    pub fn address(&self) -> u64 {
        let DeviceFunction { bus, device, function } = self.function;
        u64::from(bus) << 8 | u64::from(device) << 3 | u64::from(function)
    }

    /// Reads a register of its configuration space; `None` if there is none.
    #[must_use]
    pub fn read(&self, register: u64) -> Option<u32> {
        let register = register_number(register)?;
        Some(with_ports(|ports| ports.read_word(self.function, register)))
    }

    /// Writes a register of its configuration space. With what stops its writing to memory it gives up all frames that it holds.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if there is none, [`Error::NotPermitted`] if it is the kernel's to write.
    pub fn write(&self, register: u64, value: u32) -> Result<(), Error> {
        let register = register_number(register).ok_or(Error::InvalidArgument)?;
        let of = |offset: Option<u8>, bytes| {
            offset.map_or(0..0, |offset| Range { start: offset.into(), end: u16::from(offset).saturating_add(bytes) })
        };
        let messages = [of(self.known.capabilities.msi, msi::BYTES), of(self.known.capabilities.msi_x, msi_x::BYTES)];
        if !is_writable(register, &messages) {
            return Err(Error::NotPermitted);
        }
        let released = {
            let mut pins = self.pins.lock();
            let stops = register == COMMAND && value & BUS_MASTER == 0;
            let was_stopped = with_ports(|ports| {
                let could_write = stops && function::stop_writing(ports, self.function);
                ports.write_word(self.function, register, value);
                could_write
            });
            was_stopped.then(|| pins.release_all())
        };
        drop(released);
        Ok(())
    }

    /// The address of a frame of memory, which it may be told to write to: until it is stopped, or the program ends and it is
    /// stopped for that, it holds the frame.
    ///
    /// # Errors
    /// [`Error::QuotaReached`] if it holds as many frames for the program as it may, [`Error::OutOfMemory`].
    pub fn address_of(&self, program: u64, frame: &Arc<SharedFrame>) -> Result<PhysAddr, Error> {
        self.pins.lock().hold(program, frame)?;
        Ok(frame.address())
    }

    /// A program ends that was told addresses: stops the function, and gives up what it held for that program.
    pub(super) fn stop_for(&self, program: u64) {
        let released = {
            let mut pins = self.pins.lock();
            with_ports(|ports| function::stop_writing(ports, self.function));
            pins.release_of(program)
        };
        drop(released);
    }

    /// A page of one of its regions of memory, as a frame.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such page, [`Error::NotPermitted`] if the kernel uses it: it holds the table of
    /// messages, or the region is where memory is.
    pub fn frame(self: &Arc<Self>, region: u64, page: u64) -> Result<Arc<SharedFrame>, Error> {
        let offset = page.checked_mul(PAGE_SIZE).ok_or(Error::NotFound)?;
        // Regions are of a power of two of bytes, which may be less than a page.
        let address = self.part(region, offset, 1).ok_or(Error::NotFound)?.as_u64();
        if let Some(table) = self.message_table() {
            let bytes = table.bytes();
            if u64::from(table.region) == region && bytes.start < offset.saturating_add(PAGE_SIZE) && offset < bytes.end
            {
                return Err(Error::NotPermitted);
            }
        }
        if !address.is_multiple_of(PAGE_SIZE) || frame::is_memory(address, PAGE_SIZE) {
            return Err(Error::NotPermitted);
        }
        Ok(SharedFrame::registers(PhysAddr::new(address), Arc::clone(self) as Arc<dyn Owner>)?)
    }

    /// The address of `length` bytes at an offset into a region of its memory; `None` if there are not so many.
    pub(super) fn part(&self, region: u64, offset: u64, length: u64) -> Option<PhysAddr> {
        self.known.regions.part(region, offset, length)
    }

    /// Where its capabilities of messages are.
    pub(super) const fn capabilities(&self) -> function::Capabilities {
        self.known.capabilities
    }

    /// Where its table of messages is, if it has one.
    pub(super) fn message_table(&self) -> Option<msi_x::Table> {
        let offset = self.known.capabilities.msi_x?;
        Some(with_ports(|ports| msi_x::table(ports, self.function, offset)))
    }

    /// Lets it answer accesses to its memory.
    pub(super) fn enable_memory(&self) {
        self.change_command(|command| command | Command::MEMORY_SPACE);
    }

    /// Lets it send messages, which are writes to memory, and keeps it from raising its line.
    pub(super) fn allow_messages(&self) {
        self.change_command(|command| command | Command::BUS_MASTER | Command::INTERRUPT_DISABLE);
    }

    fn change_command(&self, change: impl FnOnce(Command) -> Command) {
        with_root(|root| {
            let (_, command) = root.get_status_command(self.function);
            root.set_command(self.function, change(command));
        });
    }
}

fn register_number(register: u64) -> Option<u8> {
    u8::try_from(register).ok().filter(|_| register.is_multiple_of(4) && register < CONFIGURATION_BYTES)
}

impl Drop for Device {
    fn drop(&mut self) {
        with_ports(|ports| {
            function::stop_messages(ports, self.function);
            function::stop_writing(ports, self.function);
        });
        release(self.function);
    }
}
