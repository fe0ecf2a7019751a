//! What device drivers need: interrupts and I/O ports; and what comes by the console.

use crate::abi::{Error, SLOT_DEVICE_CONTROL, SLOT_NONE, SystemCall};
use crate::message::plain;

/// Makes an object of an interrupt line, of the ISA bus below 16; answers its slot. Only for the first program, which has
/// the right to.
///
/// # Errors
/// [`Error::NotFound`] if there is no such line, [`Error::WrongState`] if somebody has it, those of the capability.
pub fn create_interrupt(line: u64) -> Result<u64, Error> {
    plain(SystemCall::CreateInterrupt, [SLOT_DEVICE_CONTROL, line, 0, 0, 0, 0])
}

/// Has a notification signalled for each interrupt, on the caller's CPU.
///
/// # Errors
/// [`Error::NoVector`] if that has no vector left; those of the capabilities.
pub fn bind_interrupt(interrupt: u64, notification: u64) -> Result<u64, Error> {
    plain(SystemCall::BindInterrupt, [interrupt, notification, 0, 0, 0, 0])
}

/// Masks an interrupt line.
///
/// # Errors
/// Those of the capability.
pub fn unbind_interrupt(interrupt: u64) -> Result<u64, Error> {
    plain(SystemCall::BindInterrupt, [interrupt, SLOT_NONE, 0, 0, 0, 0])
}

/// Says that the interrupt that was signalled is done with.
///
/// # Errors
/// [`Error::WrongState`] if none was signalled; those of the capability.
pub fn acknowledge_interrupt(interrupt: u64) -> Result<u64, Error> {
    plain(SystemCall::AcknowledgeInterrupt, [interrupt, 0, 0, 0, 0, 0])
}

/// Makes an object of so many ports from the first; answers its slot. Only for the first program, which has the right to.
///
/// # Errors
/// [`Error::InvalidArgument`] if one does not exist or is the kernel's; those of the capability.
pub fn create_ports(first: u16, count: u64) -> Result<u64, Error> {
    plain(SystemCall::CreatePorts, [SLOT_DEVICE_CONTROL, u64::from(first), count, 0, 0, 0])
}

/// Reads a byte from a port.
///
/// # Errors
/// [`Error::InvalidArgument`] if it is not in the range; those of the capability.
pub fn read_port(ports: u64, port: u16) -> Result<u8, Error> {
    plain(SystemCall::ReadPort, [ports, u64::from(port), 1, 0, 0, 0]).map(|value| value as u8)
}

/// Writes a byte to a port.
///
/// # Errors
/// As for [`read_port`].
pub fn write_port(ports: u64, port: u16, value: u8) -> Result<u64, Error> {
    plain(SystemCall::WritePort, [ports, u64::from(port), 1, u64::from(value), 0, 0])
}

/// Writes two bytes to a port.
///
/// # Errors
/// As for [`read_port`].
pub fn write_port_word(ports: u64, port: u16, value: u16) -> Result<u64, Error> {
    plain(SystemCall::WritePort, [ports, u64::from(port), 2, u64::from(value), 0, 0])
}

/// Has a notification signalled when bytes have come by the console's serial line. Only for the first program, which has the
/// right to.
///
/// # Errors
/// Those of the capabilities.
pub fn bind_console(notification: u64) -> Result<u64, Error> {
    plain(SystemCall::BindConsole, [SLOT_DEVICE_CONTROL, notification, 0, 0, 0, 0])
}

/// Takes bytes that have come by the console's serial line, at most 4096; answers how many. Only for the first program.
///
/// # Errors
/// [`Error::InvalidArgument`] for a longer buffer; those of the capability.
pub fn read_console(buffer: &mut [u8]) -> Result<usize, Error> {
    let (address, length) = (buffer.as_mut_ptr() as u64, buffer.len() as u64);
    plain(SystemCall::ReadConsole, [SLOT_DEVICE_CONTROL, address, length, 0, 0, 0]).map(|count| count as usize)
}

/// Makes an object of a PCI function: bus in bits 8 to 15, device in 3 to 7, function in 0 to 2; answers its slot. Only for the
/// first program, which has the right to.
///
/// # Errors
/// [`Error::NotFound`] if there is none, [`Error::WrongState`] if somebody has it; those of the capability.
pub fn create_device(function: u64) -> Result<u64, Error> {
    plain(SystemCall::CreateDevice, [SLOT_DEVICE_CONTROL, function, 0, 0, 0, 0])
}

/// Reads 4 bytes of a function's configuration space.
///
/// # Errors
/// [`Error::InvalidArgument`] for a register that is none; those of the capability.
pub fn read_configuration(device: u64, register: u64) -> Result<u64, Error> {
    plain(SystemCall::ReadConfiguration, [device, register, 0, 0, 0, 0])
}

/// Writes 4 bytes of a function's configuration space.
///
/// # Errors
/// As for [`read_configuration`], and [`Error::NotPermitted`] for registers that are the kernel's to write.
pub fn write_configuration(device: u64, register: u64, value: u64) -> Result<u64, Error> {
    plain(SystemCall::WriteConfiguration, [device, register, value, 0, 0, 0])
}

/// Makes a frame of a page of a function's registers; answers its slot.
///
/// # Errors
/// [`Error::NotFound`] if there is no such page, [`Error::NotPermitted`] if it is the kernel's; those of the capability.
pub fn create_device_frame(device: u64, region: u64, page: u64) -> Result<u64, Error> {
    plain(SystemCall::CreateDeviceFrame, [device, region, page, 0, 0, 0])
}

/// Makes an interrupt of a function's message; answers its slot.
///
/// # Errors
/// [`Error::NotFound`] if there is no such message, [`Error::WrongState`] if somebody has it; those of the capability.
pub fn create_message(device: u64, number: u64) -> Result<u64, Error> {
    plain(SystemCall::CreateMessage, [device, number, 0, 0, 0, 0])
}

/// Has an interrupt that is bound come to another CPU.
///
/// # Errors
/// [`Error::WrongState`] if it is not bound, [`Error::NoSuchCpu`], [`Error::NoVector`] if that CPU has none left; those of the capability.
pub fn move_interrupt(interrupt: u64, cpu: u64) -> Result<u64, Error> {
    plain(SystemCall::MoveInterrupt, [interrupt, cpu, 0, 0, 0, 0])
}

/// The physical address of a frame of memory, for a device to write to.
///
/// # Errors
/// [`Error::InvalidArgument`] for a frame of registers; those of the capabilities.
pub fn frame_address(device: u64, frame: u64) -> Result<u64, Error> {
    plain(SystemCall::FrameAddress, [device, frame, 0, 0, 0, 0])
}
