//! The system calls of debuggers, typed. `docs/abi.md` is their description.

use crate::abi::{
    BREAKPOINT_EXECUTE, BREAKPOINT_NONE, BREAKPOINT_READ_WRITE, BREAKPOINT_WRITE, Error, SystemCall, ThreadInformation,
    ThreadRegisters,
};
use crate::capability::{Program, Slot, Thread};
use crate::message::{Utcb, done, plain};

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

impl Thread {
    /// Lets it go on from a breakpoint, at which it is paused or with a debugger.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it stands at none; [`Error::BadCapability`], [`Error::NoRight`].
    pub fn clear_breakpoint(self) -> Result<(), Error> {
        done(SystemCall::ClearBreakpoint, [self.number(), 0, 0, 0, 0, 0])
    }

    /// Its registers, while it stands still. They come by way of the caller's message buffer.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it does not; [`Error::BadCapability`], [`Error::NoRight`].
    pub fn read_registers(self, utcb: &Utcb) -> Result<ThreadRegisters, Error> {
        done(SystemCall::ReadRegisters, [self.number(), 0, 0, 0, 0, 0])?;
        Ok(utcb.registers())
    }

    /// Gives it other registers, while it stands still.
    ///
    /// # Errors
    /// As for [`Self::read_registers`].
    pub fn write_registers(self, registers: &ThreadRegisters, utcb: &Utcb) -> Result<(), Error> {
        utcb.set_registers(registers);
        done(SystemCall::WriteRegisters, [self.number(), 0, 0, 0, 0, 0])
    }

    /// Sets one of its four hardware breakpoints, while it stands still.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a number above 3, an address outside the user half or not a multiple of the length, and a
    /// length other than 1, 2, 4 and 8, or than 1 for an execution; [`Error::WrongState`], [`Error::BadCapability`],
    /// [`Error::NoRight`].
    pub fn watch(self, number: u64, watch: Watch, address: u64, length: u64) -> Result<(), Error> {
        done(SystemCall::SetHardwareBreakpoint, [self.number(), number, watch as u64, address, length, 0])
    }

    /// Takes a hardware breakpoint away.
    ///
    /// # Errors
    /// As for [`Self::watch`].
    pub fn unwatch(self, number: u64) -> Result<(), Error> {
        done(SystemCall::SetHardwareBreakpoint, [self.number(), number, BREAKPOINT_NONE, 0, 0, 0])
    }
}

impl Program {
    /// Writes its memory, its code included.
    ///
    /// # Errors
    /// [`Error::BadAddress`], [`Error::BadCapability`], [`Error::NoRight`].
    pub fn patch_memory(self, address: u64, bytes: &[u8]) -> Result<(), Error> {
        let arguments = [self.number(), address, bytes.as_ptr() as u64, bytes.len() as u64, 0, 0];
        done(SystemCall::PatchMemory, arguments)
    }

    /// Lists its threads into `room`; answers how many there are, which may be more.
    ///
    /// # Errors
    /// [`Error::BadCapability`], [`Error::NoRight`].
    pub fn list_threads(self, room: &mut [ThreadInformation]) -> Result<u64, Error> {
        let bytes = size_of_val(room) as u64;
        plain(SystemCall::ListThreads, [self.number(), room.as_mut_ptr() as u64, bytes, 0, 0, 0])
    }

    /// Makes a capability of the thread of it that has this number.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::BadCapability`], [`Error::NoRight`], [`Error::QuotaReached`], [`Error::OutOfMemory`].
    pub fn open_thread(self, number: u64) -> Result<Thread, Error> {
        let slot = plain(SystemCall::OpenThread, [self.number(), number, 0, 0, 0, 0])?;
        Ok(Thread::from_slot(Slot::new(slot)))
    }
}
