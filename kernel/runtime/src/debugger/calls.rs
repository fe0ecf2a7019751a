//! The system calls of debuggers, typed. `docs/abi.md` is their description.

use crate::abi::{
    BREAKPOINT_EXECUTE, BREAKPOINT_NONE, BREAKPOINT_READ_WRITE, BREAKPOINT_WRITE, Error, SystemCall, ThreadInformation,
    ThreadRegisters,
};
use crate::message::{Utcb, plain};

/// What watches a thread without changing the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Watch {
    /// The execution of the instruction at the address; stops before it.
    Execute = BREAKPOINT_EXECUTE,
    /// Writes; stops behind the instruction.
    Write = BREAKPOINT_WRITE,
    /// Reads and writes; stops behind the instruction.
    ReadWrite = BREAKPOINT_READ_WRITE,
}

/// Lets a thread go on that stands at a breakpoint, paused or with a debugger.
///
/// # Errors
/// [`Error::WrongState`] if it stands at none; those of the capability.
pub fn clear_breakpoint(thread: u64) -> Result<(), Error> {
    plain(SystemCall::ClearBreakpoint, [thread, 0, 0, 0, 0, 0]).map(drop)
}

/// The registers of a thread that stands still. They come by way of the caller's message buffer.
///
/// # Errors
/// [`Error::WrongState`] if it does not; those of the capability.
pub fn read_registers(thread: u64, utcb: &Utcb) -> Result<ThreadRegisters, Error> {
    plain(SystemCall::ReadRegisters, [thread, 0, 0, 0, 0, 0])?;
    Ok(utcb.registers())
}

/// Gives a thread that stands still other registers.
///
/// # Errors
/// As for [`read_registers`].
pub fn write_registers(thread: u64, registers: &ThreadRegisters, utcb: &Utcb) -> Result<(), Error> {
    utcb.set_registers(registers);
    plain(SystemCall::WriteRegisters, [thread, 0, 0, 0, 0, 0]).map(drop)
}

/// Sets one of the four hardware breakpoints of a thread that stands still.
///
/// # Errors
/// [`Error::InvalidArgument`] for a number above 3, an address outside the user half or not a multiple of the length, and a
/// length other than 1, 2, 4 and 8, or than 1 for an execution; [`Error::WrongState`]; those of the capability.
pub fn watch(thread: u64, number: u64, watch: Watch, address: u64, length: u64) -> Result<(), Error> {
    plain(SystemCall::SetHardwareBreakpoint, [thread, number, watch as u64, address, length, 0]).map(drop)
}

/// Takes a hardware breakpoint away.
///
/// # Errors
/// As for [`watch`].
pub fn unwatch(thread: u64, number: u64) -> Result<(), Error> {
    plain(SystemCall::SetHardwareBreakpoint, [thread, number, BREAKPOINT_NONE, 0, 0, 0]).map(drop)
}

/// Writes another program's memory, its code included.
///
/// # Errors
/// [`Error::BadAddress`]; those of the capability.
pub fn patch_memory(program: u64, address: u64, bytes: &[u8]) -> Result<(), Error> {
    plain(SystemCall::PatchMemory, [program, address, bytes.as_ptr() as u64, bytes.len() as u64, 0, 0]).map(drop)
}

/// Lists a program's threads into `room`; answers how many there are, which may be more.
///
/// # Errors
/// Those of the capability.
pub fn list_threads(program: u64, room: &mut [ThreadInformation]) -> Result<u64, Error> {
    let bytes = size_of_val(room) as u64;
    plain(SystemCall::ListThreads, [program, room.as_mut_ptr() as u64, bytes, 0, 0, 0])
}

/// Makes a capability of one of a program's threads.
///
/// # Errors
/// [`Error::NotFound`]; those of the capability.
pub fn open_thread(program: u64, number: u64) -> Result<u64, Error> {
    plain(SystemCall::OpenThread, [program, number, 0, 0, 0, 0])
}
