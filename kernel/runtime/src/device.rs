//! What device drivers need: interrupts, I/O ports, PCI functions; and what comes by the console.

use crate::abi::{Error, SLOT_NONE, SystemCall};
use crate::capability::{Device, DeviceControl, Frame, Interrupt, Notification, Ports, Slot};
use crate::message::{done, plain};

impl DeviceControl {
    /// Makes an object of an interrupt line, of the ISA bus below 16, else a global system interrupt.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such line, [`Error::WrongState`] if somebody has it, [`Error::BadCapability`],
    /// [`Error::NoRight`].
    pub fn interrupt(self, line: u64) -> Result<Interrupt, Error> {
        let slot = plain(SystemCall::CreateInterrupt, [self.number(), line, 0, 0, 0, 0])?;
        Ok(Interrupt::from_slot(Slot::new(slot)))
    }

    /// Makes an object of so many ports from the first.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if one does not exist or is the kernel's; [`Error::BadCapability`], [`Error::NoRight`].
    pub fn ports(self, first: u16, count: u64) -> Result<Ports, Error> {
        let slot = plain(SystemCall::CreatePorts, [self.number(), u64::from(first), count, 0, 0, 0])?;
        Ok(Ports::from_slot(Slot::new(slot)))
    }

    /// Makes an object of a PCI function: bus in bits 8 to 15, device in 3 to 7, function in 0 to 2.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none, [`Error::WrongState`] if somebody has it; [`Error::BadCapability`],
    /// [`Error::NoRight`].
    pub fn device(self, function: u64) -> Result<Device, Error> {
        let slot = plain(SystemCall::CreateDevice, [self.number(), function, 0, 0, 0, 0])?;
        Ok(Device::from_slot(Slot::new(slot)))
    }

    /// Has a notification signalled when bytes have come by the console's serial line, at once if some wait.
    ///
    /// # Errors
    /// [`Error::BadCapability`], [`Error::NoRight`].
    pub fn bind_console(self, notification: Notification) -> Result<(), Error> {
        done(SystemCall::BindConsole, [self.number(), notification.number(), 0, 0, 0, 0])
    }

    /// Nobody is told of bytes from now on.
    ///
    /// # Errors
    /// As for [`Self::bind_console`].
    pub fn unbind_console(self) -> Result<(), Error> {
        done(SystemCall::BindConsole, [self.number(), SLOT_NONE, 0, 0, 0, 0])
    }

    /// Takes bytes that have come by the console's serial line, at most 4096; answers how many.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a longer buffer; [`Error::BadCapability`], [`Error::NoRight`].
    pub fn read_console(self, buffer: &mut [u8]) -> Result<usize, Error> {
        let (address, length) = (buffer.as_mut_ptr() as u64, buffer.len() as u64);
        plain(SystemCall::ReadConsole, [self.number(), address, length, 0, 0, 0]).map(|count| count as usize)
    }
}

impl Interrupt {
    /// Has a notification signalled for each interrupt, on the caller's CPU.
    ///
    /// # Errors
    /// [`Error::NoVector`] if that has no vector left; [`Error::BadCapability`], [`Error::NoRight`].
    pub fn bind(self, notification: Notification) -> Result<(), Error> {
        done(SystemCall::BindInterrupt, [self.number(), notification.number(), 0, 0, 0, 0])
    }

    /// Masks it.
    ///
    /// # Errors
    /// [`Error::BadCapability`], [`Error::NoRight`].
    pub fn unbind(self) -> Result<(), Error> {
        done(SystemCall::BindInterrupt, [self.number(), SLOT_NONE, 0, 0, 0, 0])
    }

    /// Says that the interrupt that was signalled is done with: the next may come.
    ///
    /// # Errors
    /// [`Error::WrongState`] if none was signalled; [`Error::BadCapability`], [`Error::NoRight`].
    pub fn acknowledge(self) -> Result<(), Error> {
        done(SystemCall::AcknowledgeInterrupt, [self.number(), 0, 0, 0, 0, 0])
    }

    /// Has it come to another CPU.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it is not bound, [`Error::NoSuchCpu`], [`Error::NoVector`] if that CPU has none left;
    /// [`Error::BadCapability`], [`Error::NoRight`].
    pub fn move_to_cpu(self, cpu: u64) -> Result<(), Error> {
        done(SystemCall::MoveInterrupt, [self.number(), cpu, 0, 0, 0, 0])
    }
}

impl Ports {
    /// Reads a byte from a port.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if it is not in the range; [`Error::BadCapability`], [`Error::NoRight`].
    pub fn read(self, port: u16) -> Result<u8, Error> {
        plain(SystemCall::ReadPort, [self.number(), u64::from(port), 1, 0, 0, 0]).map(|value| value as u8)
    }

    /// Writes a byte to a port.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub fn write(self, port: u16, value: u8) -> Result<(), Error> {
        done(SystemCall::WritePort, [self.number(), u64::from(port), 1, u64::from(value), 0, 0])
    }

    /// Writes two bytes to a port.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub fn write_word(self, port: u16, value: u16) -> Result<(), Error> {
        done(SystemCall::WritePort, [self.number(), u64::from(port), 2, u64::from(value), 0, 0])
    }
}

impl Device {
    /// Reads 4 bytes of the configuration space.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a register that is no multiple of 4 below 256; [`Error::BadCapability`], [`Error::NoRight`].
    pub fn read_configuration(self, register: u64) -> Result<u64, Error> {
        plain(SystemCall::ReadConfiguration, [self.number(), register, 0, 0, 0, 0])
    }

    /// Writes 4 bytes of the configuration space.
    ///
    /// # Errors
    /// As for [`Self::read_configuration`], and [`Error::NotPermitted`] for registers that are the kernel's to write.
    pub fn write_configuration(self, register: u64, value: u64) -> Result<(), Error> {
        done(SystemCall::WriteConfiguration, [self.number(), register, value, 0, 0, 0])
    }

    /// Makes a frame of a page of its registers.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such page, [`Error::NotPermitted`] if it is the kernel's; [`Error::BadCapability`],
    /// [`Error::NoRight`].
    pub fn registers(self, region: u64, page: u64) -> Result<Frame, Error> {
        let slot = plain(SystemCall::CreateDeviceFrame, [self.number(), region, page, 0, 0, 0])?;
        Ok(Frame::from_slot(Slot::new(slot)))
    }

    /// Makes an interrupt of one of its messages.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such message, [`Error::WrongState`] if somebody has it; [`Error::BadCapability`],
    /// [`Error::NoRight`].
    pub fn message(self, number: u64) -> Result<Interrupt, Error> {
        let slot = plain(SystemCall::CreateMessage, [self.number(), number, 0, 0, 0, 0])?;
        Ok(Interrupt::from_slot(Slot::new(slot)))
    }

    /// The physical address of a frame of memory, for the device to write to.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a frame of registers; [`Error::BadCapability`], [`Error::NoRight`].
    pub fn address_of(self, frame: Frame) -> Result<u64, Error> {
        plain(SystemCall::FrameAddress, [self.number(), frame.number(), 0, 0, 0, 0])
    }
}
