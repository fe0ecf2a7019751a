//! Starting and stopping programs and threads, and the memory of other programs.

use crate::abi::{Error, SLOT_NONE, SPAWN_QUIET, SPAWN_SUSPENDED, SystemCall};
use crate::capability::{Endpoint, Program, Slot, Thread};
use crate::message::{Utcb, done, plain};

/// A program that was started and does not run yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspended {
    /// Its number.
    pub number: u64,
    /// The program.
    pub program: Program,
    /// Its first thread.
    pub thread: Thread,
}

impl Program {
    /// Starts a program of the boot archive that does not run until [`Thread::resume`], on CPU `cpu` or [`crate::abi::ANY_CPU`]; no
    /// line is printed when it is shut down. The capabilities come by way of the caller's message buffer.
    ///
    /// # Errors
    /// [`Error::NotPermitted`] unless this is the first program; [`Error::NoSuchProgram`], [`Error::BadProgram`],
    /// [`Error::NoSuchCpu`], [`Error::QuotaReached`], [`Error::OutOfMemory`].
    pub fn spawn_suspended(name: &str, argument: u64, cpu: u64, utcb: &Utcb) -> Result<Suspended, Error> {
        let flags = SPAWN_SUSPENDED | SPAWN_QUIET;
        let arguments = [name.as_ptr() as u64, name.len() as u64, argument, cpu, flags, 0];
        let number = plain(SystemCall::SpawnProgram, arguments)?;
        let [program, thread] = [utcb.get(0), utcb.get(1)].map(Slot::new);
        Ok(Suspended { number, program: Self::from_slot(program), thread: Thread::from_slot(thread) })
    }

    /// Ends it.
    ///
    /// # Errors
    /// [`Error::Gone`] if it is ending already; [`Error::BadCapability`], [`Error::NoRight`].
    pub fn kill(self) -> Result<(), Error> {
        done(SystemCall::KillProgram, [self.number(), 0, 0, 0, 0, 0])
    }

    /// Maps fresh zeroed pages into it; answers their address.
    ///
    /// # Errors
    /// [`Error::AlreadyMapped`], [`Error::InvalidArgument`] for what are no pages of the user half, [`Error::OutOfMemory`],
    /// [`Error::BadCapability`], [`Error::NoRight`].
    pub fn map(self, address: u64, length: u64) -> Result<u64, Error> {
        plain(SystemCall::MapInto, [self.number(), address, length, 0, 0, 0])
    }

    /// Takes pages away from it; answers how many bytes.
    ///
    /// # Errors
    /// [`Error::NotFound`] if none is mapped; [`Error::InvalidArgument`], [`Error::BadCapability`], [`Error::NoRight`].
    pub fn unmap(self, address: u64, length: u64) -> Result<u64, Error> {
        plain(SystemCall::UnmapFrom, [self.number(), address, length, 0, 0, 0])
    }

    /// Swaps out pages of it; answers how many bytes went.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a range that is not one of user pages or longer than 1 MiB; [`Error::NotPermitted`]
    /// where nothing is swapped; [`Error::BadCapability`], [`Error::NoRight`].
    pub fn swap_out(self, address: u64, length: u64) -> Result<u64, Error> {
        plain(SystemCall::SwapOut, [self.number(), address, length, 0, 0, 0])
    }

    /// Reads its memory, at most 1 MiB; answers how many bytes, which are all.
    ///
    /// # Errors
    /// [`Error::BadAddress`], [`Error::BadCapability`], [`Error::NoRight`].
    pub fn read_memory(self, address: u64, buffer: &mut [u8]) -> Result<u64, Error> {
        let arguments = [self.number(), address, buffer.as_mut_ptr() as u64, buffer.len() as u64, 0, 0];
        plain(SystemCall::ReadMemory, arguments)
    }

    /// Writes its memory, at most 1 MiB; answers how many bytes, which are all.
    ///
    /// # Errors
    /// [`Error::BadAddress`], [`Error::BadCapability`], [`Error::NoRight`].
    pub fn write_memory(self, address: u64, buffer: &[u8]) -> Result<u64, Error> {
        let arguments = [self.number(), address, buffer.as_ptr() as u64, buffer.len() as u64, 0, 0];
        plain(SystemCall::WriteMemory, arguments)
    }
}

impl Thread {
    /// Lets it run: it was started suspended, or suspended later.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it was resumed already; [`Error::BadCapability`], [`Error::NoRight`].
    pub fn resume(self) -> Result<(), Error> {
        done(SystemCall::ResumeThread, [self.number(), 0, 0, 0, 0, 0])
    }

    /// Stops it until [`Self::resume`]. It executes nothing any more when this returns.
    ///
    /// # Errors
    /// [`Error::Gone`] if its program is ending; [`Error::BadCapability`], [`Error::NoRight`].
    pub fn suspend(self) -> Result<(), Error> {
        done(SystemCall::SuspendThread, [self.number(), 0, 0, 0, 0, 0])
    }

    /// Sets its priority: it is suspended or paused, or [`Self::CURRENT`].
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for what is not in [`crate::abi::PRIORITIES`]; [`Error::NotPermitted`] above
    /// [`crate::abi::DEFAULT_PRIORITY`] but in the first program; [`Error::WrongState`], [`Error::BadCapability`],
    /// [`Error::NoRight`].
    pub fn set_priority(self, priority: u64) -> Result<(), Error> {
        done(SystemCall::SetPriority, [self.number(), priority, 0, 0, 0, 0])
    }

    /// Says where its faults go: it is [`Self::CURRENT`], or does not run yet. Threads inherit that of the thread that starts them.
    ///
    /// # Errors
    /// [`Error::WrongState`] for another thread that runs; [`Error::BadCapability`], [`Error::NoRight`].
    pub fn set_fault_handler(self, handler: Endpoint) -> Result<(), Error> {
        self.set_fault_handler_within(handler, 0)
    }

    /// The same, and if a reply takes longer than so many nanoseconds, its program is shut down (0: no limit).
    ///
    /// # Errors
    /// As for [`Self::set_fault_handler`].
    pub fn set_fault_handler_within(self, handler: Endpoint, nanoseconds: u64) -> Result<(), Error> {
        done(SystemCall::SetFaultHandler, [self.number(), handler.number(), nanoseconds, 0, 0, 0])
    }

    /// Its faults shut its program down from now on.
    ///
    /// # Errors
    /// As for [`Self::set_fault_handler`].
    pub fn clear_fault_handler(self) -> Result<(), Error> {
        done(SystemCall::SetFaultHandler, [self.number(), SLOT_NONE, 0, 0, 0, 0])
    }
}
