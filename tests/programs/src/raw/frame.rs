//! Frames.

use gatehouse_runtime::abi::Error;
use gatehouse_runtime::capability::{Frame, Program, Rights, Slot};

pub(super) const fn at(slot: u64) -> Frame {
    Frame::from_slot(Slot::new(slot))
}

/// See [`Frame::create`].
///
/// # Errors
/// As there.
pub fn create() -> Result<u64, Error> {
    Frame::create().map(|frame| frame.slot().number())
}

/// See [`Frame::duplicate`].
///
/// # Errors
/// As there.
pub fn copy(slot: u64) -> Result<u64, Error> {
    at(slot).duplicate().map(|frame| frame.slot().number())
}

/// See [`Frame::map`] and, for a program's slot other than 0, [`Frame::map_into`].
///
/// # Errors
/// As there.
pub fn map(slot: u64, program: u64, address: u64, rights: u64) -> Result<u64, Error> {
    at(slot).map_into(Program::from_slot(Slot::new(program)), address, Rights::from_bits_retain(rights))
}

/// See [`Program::unmap`].
///
/// # Errors
/// As there.
pub fn unmap_from(program: u64, address: u64, length: u64) -> Result<u64, Error> {
    Program::from_slot(Slot::new(program)).unmap(address, length)
}
