//! Looking into programs and threads.

use gatehouse_runtime::abi::{Error, ThreadInformation, ThreadRegisters};
use gatehouse_runtime::capability::{Program, Slot, Thread};
pub use gatehouse_runtime::debugger::*;
use gatehouse_runtime::message::Utcb;

const fn program(slot: u64) -> Program {
    Program::from_slot(Slot::new(slot))
}

const fn thread(slot: u64) -> Thread {
    Thread::from_slot(Slot::new(slot))
}

/// See [`Program::list_threads`].
///
/// # Errors
/// As there.
pub fn list_threads(slot: u64, room: &mut [ThreadInformation]) -> Result<u64, Error> {
    program(slot).list_threads(room)
}

/// See [`Program::open_thread`].
///
/// # Errors
/// As there.
pub fn open_thread(slot: u64, number: u64) -> Result<u64, Error> {
    program(slot).open_thread(number).map(|thread| thread.slot().number())
}

/// See [`Program::patch_memory`].
///
/// # Errors
/// As there.
pub fn patch_memory(slot: u64, address: u64, bytes: &[u8]) -> Result<(), Error> {
    program(slot).patch_memory(address, bytes)
}

/// See [`Thread::clear_breakpoint`].
///
/// # Errors
/// As there.
pub fn clear_breakpoint(slot: u64) -> Result<(), Error> {
    thread(slot).clear_breakpoint()
}

/// See [`Thread::read_registers`].
///
/// # Errors
/// As there.
pub fn read_registers(slot: u64, utcb: &Utcb) -> Result<ThreadRegisters, Error> {
    thread(slot).read_registers(utcb)
}

/// See [`Thread::write_registers`].
///
/// # Errors
/// As there.
pub fn write_registers(slot: u64, registers: &ThreadRegisters, utcb: &Utcb) -> Result<(), Error> {
    thread(slot).write_registers(registers, utcb)
}

/// See [`Thread::watch`].
///
/// # Errors
/// As there.
pub fn watch(slot: u64, number: u64, watch: Watch, address: u64, length: u64) -> Result<(), Error> {
    thread(slot).watch(number, watch, address, length)
}

/// See [`Thread::unwatch`].
///
/// # Errors
/// As there.
pub fn unwatch(slot: u64, number: u64) -> Result<(), Error> {
    thread(slot).unwatch(number)
}
