//! Devices and the console, of the first program.

use gatehouse_runtime::abi::Error;
use gatehouse_runtime::capability::{Device, DeviceControl, Interrupt, Ports, Slot};

use super::{frame, notification};

const CONTROL: DeviceControl = DeviceControl::OF_FIRST_PROGRAM;

const fn interrupt(slot: u64) -> Interrupt {
    Interrupt::from_slot(Slot::new(slot))
}

const fn device(slot: u64) -> Device {
    Device::from_slot(Slot::new(slot))
}

const fn ports(slot: u64) -> Ports {
    Ports::from_slot(Slot::new(slot))
}

/// See [`DeviceControl::interrupt`].
///
/// # Errors
/// As there.
pub fn create_interrupt(line: u64) -> Result<u64, Error> {
    CONTROL.interrupt(line).map(|interrupt| interrupt.slot().number())
}

/// See [`Interrupt::bind`].
///
/// # Errors
/// As there.
pub fn bind_interrupt(slot: u64, told: u64) -> Result<u64, Error> {
    interrupt(slot).bind(notification::at(told)).map(|()| 0)
}

/// See [`Interrupt::unbind`].
///
/// # Errors
/// As there.
pub fn unbind_interrupt(slot: u64) -> Result<u64, Error> {
    interrupt(slot).unbind().map(|()| 0)
}

/// See [`Interrupt::acknowledge`].
///
/// # Errors
/// As there.
pub fn acknowledge_interrupt(slot: u64) -> Result<u64, Error> {
    interrupt(slot).acknowledge().map(|()| 0)
}

/// See [`Interrupt::move_to_cpu`].
///
/// # Errors
/// As there.
pub fn move_interrupt(slot: u64, cpu: u64) -> Result<u64, Error> {
    interrupt(slot).move_to_cpu(cpu).map(|()| 0)
}

/// See [`DeviceControl::ports`].
///
/// # Errors
/// As there.
pub fn create_ports(first: u16, count: u64) -> Result<u64, Error> {
    CONTROL.ports(first, count).map(|ports| ports.slot().number())
}

/// See [`Ports::read`].
///
/// # Errors
/// As there.
pub fn read_port(slot: u64, port: u16) -> Result<u8, Error> {
    ports(slot).read(port)
}

/// See [`Ports::write`].
///
/// # Errors
/// As there.
pub fn write_port(slot: u64, port: u16, value: u8) -> Result<u64, Error> {
    ports(slot).write(port, value).map(|()| 0)
}

/// See [`Ports::write_word`].
///
/// # Errors
/// As there.
pub fn write_port_word(slot: u64, port: u16, value: u16) -> Result<u64, Error> {
    ports(slot).write_word(port, value).map(|()| 0)
}

/// See [`DeviceControl::bind_console`].
///
/// # Errors
/// As there.
pub fn bind_console(told: u64) -> Result<u64, Error> {
    CONTROL.bind_console(notification::at(told)).map(|()| 0)
}

/// See [`DeviceControl::read_console`].
///
/// # Errors
/// As there.
pub fn read_console(buffer: &mut [u8]) -> Result<usize, Error> {
    CONTROL.read_console(buffer)
}

/// See [`DeviceControl::device`].
///
/// # Errors
/// As there.
pub fn create_device(function: u64) -> Result<u64, Error> {
    CONTROL.device(function).map(|device| device.slot().number())
}

/// See [`Device::read_configuration`].
///
/// # Errors
/// As there.
pub fn read_configuration(slot: u64, register: u64) -> Result<u64, Error> {
    device(slot).read_configuration(register)
}

/// See [`Device::write_configuration`].
///
/// # Errors
/// As there.
pub fn write_configuration(slot: u64, register: u64, value: u64) -> Result<u64, Error> {
    device(slot).write_configuration(register, value).map(|()| 0)
}

/// See [`Device::registers`].
///
/// # Errors
/// As there.
pub fn create_device_frame(slot: u64, region: u64, page: u64) -> Result<u64, Error> {
    device(slot).registers(region, page).map(|frame| frame.slot().number())
}

/// See [`Device::message`].
///
/// # Errors
/// As there.
pub fn create_message(slot: u64, number: u64) -> Result<u64, Error> {
    device(slot).message(number).map(|interrupt| interrupt.slot().number())
}

/// See [`Device::address_of`].
///
/// # Errors
/// As there.
pub fn frame_address(slot: u64, memory: u64) -> Result<u64, Error> {
    device(slot).address_of(frame::at(memory))
}
