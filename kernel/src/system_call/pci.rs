//! Calls about functions of PCI devices.

use alloc::sync::Arc;

use gatehouse_abi::Error;
use gatehouse_core::capability::Rights;
use x86_64::PhysAddr;

use super::capabilities::insert;
use super::devices::check_control;
use super::look_up;
use crate::irq::Interrupt;
use crate::memory::shared_frame::SharedFrame;
use crate::object::register_object;
use crate::pci::Device;
use crate::thread::Thread;

register_object!(Arc<Device>, "device");

fn device(thread: &Thread, number: u64, right: Rights) -> Result<Arc<Device>, Error> {
    look_up::find(thread, number, right)
}

pub(super) fn create_device(thread: &Thread, control: u64, function: u64) -> Result<u64, Error> {
    check_control(thread, control)?;
    insert(thread.program(), Device::new(function)?)
}

pub(super) fn read_configuration(thread: &Thread, number: u64, register: u64) -> Result<u64, Error> {
    let value = device(thread, number, Rights::READ)?.read(register);
    value.map(u64::from).ok_or(Error::InvalidArgument)
}

pub(super) fn write_configuration(thread: &Thread, number: u64, register: u64, value: u64) -> Result<u64, Error> {
    device(thread, number, Rights::WRITE)?.write(register, value as u32).map(|()| 0)
}

pub(super) fn create_device_frame(thread: &Thread, number: u64, region: u64, page: u64) -> Result<u64, Error> {
    let frame = device(thread, number, Rights::CONTROL)?.frame(region, page)?;
    insert(thread.program(), frame)
}

pub(super) fn create_message(thread: &Thread, number: u64, message: u64) -> Result<u64, Error> {
    let interrupt = Interrupt::of_message(device(thread, number, Rights::CONTROL)?, message)?;
    insert(thread.program(), interrupt)
}

pub(super) fn frame_address(thread: &Thread, number: u64, frame: u64) -> Result<u64, Error> {
    let device = device(thread, number, Rights::CONTROL)?;
    let frame: Arc<SharedFrame> = look_up::find(thread, frame, Rights::READ.union(Rights::WRITE))?;
    if frame.is_registers() {
        return Err(Error::InvalidArgument);
    }
    // First who is to be stopped when the program ends, then what that is for.
    let program = thread.program();
    program.pinning_functions().note(&device)?;
    device.address_of(program.number(), &frame).map(PhysAddr::as_u64)
}
