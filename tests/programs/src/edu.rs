//! QEMU's `edu`, a PCI device for teaching, whose interrupts a program raises by a register.
//!
//! Source: QEMU's documentation, "EDU device" (identification at 0x00, inverted liveness at 0x04, factorial at 0x08, status at
//! 0x20, what is interrupted for at 0x24, raise at 0x60, acknowledge at 0x64).

use crate::raw::frame;
use gatehouse_runtime::abi::{SLOT_NONE, rights};

use crate::check;

/// Vendor and device, as in its configuration.
pub const IDENTITY: u64 = 0x11e8_1234;

/// Where [`map`] maps the registers.
pub const REGISTERS: u64 = 0x7000_0000;

/// In the low byte of the register of identification.
pub const IDENTIFICATION_MARK: u32 = 0xed;
/// What the device is, and its version.
pub const IDENTIFICATION: u64 = 0x00;
/// Holds the complement of what was written.
pub const LIVENESS: u64 = 0x04;
/// A number, and later its factorial.
pub const FACTORIAL: u64 = 0x08;
/// Whether it computes, and [`INTERRUPT_WHEN_DONE`].
pub const STATUS: u64 = 0x20;
/// What it interrupts for.
pub const INTERRUPT_STATUS: u64 = 0x24;
/// Adds to what it interrupts for.
pub const RAISE: u64 = 0x60;
/// Takes away from what it interrupts for.
pub const ACKNOWLEDGE: u64 = 0x64;
/// In the status: interrupt when a factorial is done.
pub const INTERRUPT_WHEN_DONE: u32 = 0x80;
/// What it interrupts for then.
pub const DONE: u32 = 1;

/// Maps the frame of the registers, for [`read`] and [`write`].
pub fn map(registers: u64) {
    let mapped = frame::map(registers, SLOT_NONE, REGISTERS, rights::READ | rights::WRITE);
    check!(mapped == Ok(REGISTERS), "not mapped: {mapped:?}");
}

/// Reads a register of the mapped ones.
#[must_use]
pub fn read(register: u64) -> u32 {
    // SAFETY: `map` has mapped the page there, or the program faults and ends; no reference leads to it.
    unsafe { core::ptr::with_exposed_provenance::<u32>((REGISTERS + register) as usize).read_volatile() }
}

/// Writes a register of the mapped ones.
pub fn write(register: u64, value: u32) {
    // SAFETY: as in `read`; the device writes to no memory unless it is told to.
    unsafe { core::ptr::with_exposed_provenance_mut::<u32>((REGISTERS + register) as usize).write_volatile(value) }
}

/// Has the device interrupt no more, and answers what for it did.
pub fn silence() -> u32 {
    let reason = read(INTERRUPT_STATUS);
    write(ACKNOWLEDGE, reason);
    reason
}
