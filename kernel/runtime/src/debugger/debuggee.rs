//! The program that is debugged, and breakpoints in its code.

use super::Attachment;
use crate::abi::Error;
use crate::capability::{Capability, Program, Thread};

/// The instruction `int3`.
pub const INT3: u8 = 0xcc;

/// A program that is debugged, by its capabilities. Dropping it gives them up, which detaches the debugger.
#[derive(Debug)]
pub struct Debuggee<'debugger> {
    number: u64,
    program: Program,
    thread: Thread,
    attachment: Option<Attachment<'debugger>>,
}

impl<'debugger> Debuggee<'debugger> {
    pub(super) const fn new(number: u64, program: Program, thread: Thread, attachment: Attachment<'debugger>) -> Self {
        Self { number, program, thread, attachment: Some(attachment) }
    }

    /// The program's number, which is the badge of its stops.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The program.
    #[must_use]
    pub const fn program(&self) -> Program {
        self.program
    }

    /// Its first thread.
    #[must_use]
    pub const fn thread(&self) -> Thread {
        self.thread
    }

    /// Lets the program begin.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it has.
    pub fn resume(&self) -> Result<(), Error> {
        self.thread.resume()
    }

    /// Detaches the debugger: breakpoints pause the program's threads from now on, one that the debugger has not received
    /// yet included.
    pub fn detach(&mut self) {
        self.attachment = None;
    }

    /// Reads memory.
    ///
    /// # Errors
    /// [`Error::BadAddress`].
    pub fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), Error> {
        self.program.read_memory(address, bytes).map(drop)
    }

    /// Reads a word.
    ///
    /// # Errors
    /// [`Error::BadAddress`].
    pub fn read_word(&self, address: u64) -> Result<u64, Error> {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Writes memory, code included.
    ///
    /// # Errors
    /// [`Error::BadAddress`].
    pub fn write(&self, address: u64, bytes: &[u8]) -> Result<(), Error> {
        self.program.patch_memory(address, bytes)
    }

    /// Puts an `int3` at the address.
    ///
    /// # Errors
    /// [`Error::BadAddress`].
    pub fn breakpoint(&self, address: u64) -> Result<Breakpoint, Error> {
        let mut original = [0];
        self.read(address, &mut original)?;
        let mut breakpoint = Breakpoint { address, original: original[0], armed: false };
        breakpoint.arm(self)?;
        Ok(breakpoint)
    }
}

impl Drop for Debuggee<'_> {
    fn drop(&mut self) {
        let _ = self.thread.delete();
        let _ = self.program.delete();
    }
}

/// An `int3` in a program's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breakpoint {
    address: u64,
    original: u8,
    armed: bool,
}

impl Breakpoint {
    /// Where it is.
    #[must_use]
    pub const fn address(&self) -> u64 {
        self.address
    }

    /// Puts the `int3` there.
    ///
    /// # Errors
    /// [`Error::BadAddress`].
    pub fn arm(&mut self, debuggee: &Debuggee<'_>) -> Result<(), Error> {
        debuggee.write(self.address, &[INT3])?;
        self.armed = true;
        Ok(())
    }

    /// Puts back what was there.
    ///
    /// # Errors
    /// [`Error::BadAddress`].
    pub fn disarm(&mut self, debuggee: &Debuggee<'_>) -> Result<(), Error> {
        debuggee.write(self.address, &[self.original])?;
        self.armed = false;
        Ok(())
    }

    /// Whether the `int3` is there.
    #[must_use]
    pub const fn is_armed(&self) -> bool {
        self.armed
    }
}
