//! Debugging another program: it is started, stops, is looked into and goes on.
//!
//! ```ignore
//! // SAFETY: this is the first thread.
//! let debugger = Debugger::new(unsafe { first_utcb() })?;
//! let mut child = debugger.start("victim", 0, ANY_CPU)?;
//! let mut breakpoint = child.breakpoint(address)?;
//! child.resume()?;
//! let stop = debugger.wait()?;
//! println!("{:?}: rip {:#x}", stop.reason(), stop.registers()?.instruction_pointer);
//! let stop = debugger.step_over(&child, stop, &mut breakpoint)?;
//! stop.resume()?;
//! ```
//!
//! `docs/debugger.md` explains every step.

use crate::abi::{
    BREAKPOINT_EXECUTE, BREAKPOINT_NONE, BREAKPOINT_READ_WRITE, BREAKPOINT_WRITE, DEBUG_SINGLE_STEP, Error,
    FaultMessage, HARDWARE_BREAKPOINTS, MessageTag, REPLY_KILL, REPLY_REGISTERS, REPLY_RESUME, SLOT_NONE, SystemCall,
    ThreadInformation, ThreadRegisters, TrapNumber, rights,
};
use crate::message::{
    Message, Suspended, Utcb, copy_capability, create_endpoint, delete_capability, plain, read_fault_registers,
    read_memory, receive, reply, resume_thread, set_fault_handler, spawn_suspended,
};

/// RFLAGS.TF: the thread stops after its next instruction.
pub const TRAP_FLAG: u64 = 1 << 8;

/// The instruction `int3`.
pub const INT3: u8 = 0xcc;

/// The places of the general registers in [`ThreadRegisters::general`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
#[allow(missing_docs, reason = "they are the processor's names")]
pub enum Register {
    R15 = 0,
    R14,
    R13,
    R12,
    Rbp,
    Rbx,
    R11,
    R10,
    R9,
    R8,
    Rax,
    Rcx,
    Rdx,
    Rsi,
    Rdi,
}

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

/// An endpoint where the breakpoints and faults of debugged programs arrive. It belongs to one thread, whose message buffer
/// it uses.
#[derive(Debug)]
pub struct Debugger {
    endpoint: u64,
    utcb: Utcb,
}

impl Debugger {
    /// A debugger of the calling thread, whose message buffer that is.
    ///
    /// # Errors
    /// What CreateEndpoint answers.
    pub fn new(utcb: Utcb) -> Result<Self, Error> {
        Ok(Self { endpoint: create_endpoint()?, utcb })
    }

    /// A debugger at an endpoint that is there already, of the calling thread, whose message buffer that is.
    #[must_use]
    pub const fn at(endpoint: u64, utcb: Utcb) -> Self {
        Self { endpoint, utcb }
    }

    /// Starts a program of the boot archive that runs from [`Debuggee::resume`] on. Its stops arrive here.
    ///
    /// # Errors
    /// What SpawnProgram answers.
    pub fn start(&self, name: &str, argument: u64, cpu: u64) -> Result<Debuggee, Error> {
        let Suspended { number, program, thread } = spawn_suspended(name, argument, cpu, &self.utcb)?;
        let debuggee = Debuggee { number, program, thread };
        self.attach(thread, number)?;
        Ok(debuggee)
    }

    /// Makes the stops of a thread that is suspended or paused arrive here, with that badge. What it is paused at arrives
    /// at once.
    ///
    /// # Errors
    /// [`Error::WrongState`] for a thread in another state; those of the capability.
    pub fn attach(&self, thread: u64, badge: u64) -> Result<(), Error> {
        let marked = copy_capability(self.endpoint, rights::SEND, badge, SLOT_NONE)?;
        let bound = set_fault_handler(thread, marked);
        // The thread keeps endpoint and badge.
        delete_capability(marked)?;
        bound.map(drop)
    }

    /// Waits for the next stop of any debugged thread. One that was not answered stays paused, or is shut down if it stopped
    /// for a fault.
    ///
    /// # Errors
    /// [`Error::Gone`]; [`Error::InvalidArgument`] for a message that is no fault, which only somebody sends who was given the
    /// endpoint.
    pub fn wait(&self) -> Result<Stop, Error> {
        self.take(receive(self.endpoint, MessageTag::default())?)
    }

    /// The stop that has arrived already, if any.
    ///
    /// # Errors
    /// As for [`Self::wait`].
    pub fn try_wait(&self) -> Result<Option<Stop>, Error> {
        match receive(self.endpoint, MessageTag::default().non_blocking()) {
            Ok(message) => self.take(message).map(Some),
            Err(Error::WouldBlock) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn take(&self, message: Message) -> Result<Stop, Error> {
        let fault = message.fault(&self.utcb).ok_or(Error::InvalidArgument)?;
        Ok(Stop { fault, badge: message.badge, utcb: self.utcb })
    }

    /// Lets a thread that stands behind the `int3` of a breakpoint execute what was there before, and arms the breakpoint
    /// again; answers where it stops then, one instruction later. Other threads of the program may pass the place meanwhile,
    /// and their stops are not to be told from this one but by their number.
    ///
    /// # Errors
    /// Those of the steps: memory, registers, the reply, the next stop.
    pub fn step_over(&self, debuggee: &Debuggee, stop: Stop, breakpoint: &mut Breakpoint) -> Result<Stop, Error> {
        let mut registers = stop.registers()?;
        registers.instruction_pointer = breakpoint.address;
        breakpoint.disarm(debuggee)?;
        stop.step_with(registers)?;
        let next = self.wait()?;
        breakpoint.arm(debuggee)?;
        Ok(next)
    }
}

impl Drop for Debugger {
    /// Threads that stand at breakpoints are paused, and later breakpoints pause.
    fn drop(&mut self) {
        let _ = delete_capability(self.endpoint);
    }
}

/// A program that is debugged, by its capabilities. Dropping it gives them up and leaves the program as it is.
#[derive(Debug)]
pub struct Debuggee {
    number: u64,
    program: u64,
    thread: u64,
}

impl Debuggee {
    /// The program's number, which is the badge of its stops.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The slot of the capability of the program.
    #[must_use]
    pub const fn program(&self) -> u64 {
        self.program
    }

    /// The slot of the capability of its first thread.
    #[must_use]
    pub const fn thread(&self) -> u64 {
        self.thread
    }

    /// Lets the program begin.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it has.
    pub fn resume(&self) -> Result<(), Error> {
        resume_thread(self.thread).map(drop)
    }

    /// Reads memory.
    ///
    /// # Errors
    /// [`Error::BadAddress`].
    pub fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), Error> {
        read_memory(self.program, address, bytes).map(drop)
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
        patch_memory(self.program, address, bytes)
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

impl Drop for Debuggee {
    fn drop(&mut self) {
        let _ = delete_capability(self.thread);
        let _ = delete_capability(self.program);
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
    pub fn arm(&mut self, debuggee: &Debuggee) -> Result<(), Error> {
        debuggee.write(self.address, &[INT3])?;
        self.armed = true;
        Ok(())
    }

    /// Puts back what was there.
    ///
    /// # Errors
    /// [`Error::BadAddress`].
    pub fn disarm(&mut self, debuggee: &Debuggee) -> Result<(), Error> {
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

/// Why a thread stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It executed `int3`; the program counter is behind it.
    Breakpoint,
    /// A single step ended, or hardware breakpoints were met, or both.
    Debug {
        /// A single step ended.
        stepped: bool,
        /// The hardware breakpoints that were met, one bit each.
        met: u8,
    },
    /// Any other trap: resuming executes the instruction again.
    Fault {
        /// Which.
        trap: TrapNumber,
        /// The address that it is about, if any.
        address: u64,
    },
}

impl Reason {
    /// What a fault message tells of.
    #[must_use]
    pub const fn of(fault: &FaultMessage) -> Self {
        const MET: u64 = (1 << HARDWARE_BREAKPOINTS) - 1;
        match TrapNumber::from_bits(fault.cause) {
            TrapNumber::BREAKPOINT => Self::Breakpoint,
            TrapNumber::DEBUG => {
                Self::Debug { stepped: fault.access & DEBUG_SINGLE_STEP != 0, met: (fault.access & MET) as u8 }
            }
            trap => Self::Fault { trap, address: fault.address },
        }
    }
}

/// A thread that stands still until it is answered. One that is dropped unanswered stays where it is until the debugger
/// waits again: see [`Debugger::wait`].
#[derive(Debug)]
#[must_use = "the thread stands still until it is answered"]
pub struct Stop {
    fault: FaultMessage,
    badge: u64,
    utcb: Utcb,
}

impl Stop {
    /// Why it stopped.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        Reason::of(&self.fault)
    }

    /// The whole message.
    #[must_use]
    pub const fn fault(&self) -> &FaultMessage {
        &self.fault
    }

    /// Which debuggee: its number.
    #[must_use]
    pub const fn badge(&self) -> u64 {
        self.badge
    }

    /// Which of its threads.
    #[must_use]
    pub const fn thread(&self) -> u64 {
        self.fault.thread
    }

    /// Where: behind an `int3`, at the next instruction after a step.
    #[must_use]
    pub const fn program_counter(&self) -> u64 {
        self.fault.program_counter
    }

    /// Its registers.
    ///
    /// # Errors
    /// [`Error::WrongState`] if somebody else has let it go on.
    pub fn registers(&self) -> Result<ThreadRegisters, Error> {
        read_fault_registers()?;
        Ok(self.utcb.registers())
    }

    /// Lets it go on; no more single steps.
    ///
    /// # Errors
    /// [`Error::WrongState`] if somebody else has.
    pub fn resume(self) -> Result<(), Error> {
        if self.fault.flags & TRAP_FLAG == 0 {
            return reply(MessageTag::new(REPLY_RESUME, 0), [0; 4]).map(drop);
        }
        let registers = self.registers()?;
        self.resume_with(registers)
    }

    /// Lets it go on with other registers; no single step.
    ///
    /// # Errors
    /// As for [`Self::resume`].
    pub fn resume_with(self, mut registers: ThreadRegisters) -> Result<(), Error> {
        registers.flags &= !TRAP_FLAG;
        self.reply_with(&registers)
    }

    /// Lets it execute one instruction.
    ///
    /// # Errors
    /// As for [`Self::resume`].
    pub fn step(self) -> Result<(), Error> {
        let registers = self.registers()?;
        self.step_with(registers)
    }

    /// Lets it execute one instruction with other registers.
    ///
    /// # Errors
    /// As for [`Self::resume`].
    pub fn step_with(self, mut registers: ThreadRegisters) -> Result<(), Error> {
        registers.flags |= TRAP_FLAG;
        self.reply_with(&registers)
    }

    /// Shuts its program down, with the stop as the cause.
    ///
    /// # Errors
    /// As for [`Self::resume`].
    pub fn kill(self) -> Result<(), Error> {
        reply(MessageTag::new(REPLY_KILL, 0), [0; 4]).map(drop)
    }

    fn reply_with(&self, registers: &ThreadRegisters) -> Result<(), Error> {
        self.utcb.set_registers(registers);
        reply(MessageTag::new(REPLY_REGISTERS, 0), [0; 4]).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::{DEBUG_SINGLE_STEP, FaultMessage, Reason, TrapNumber};

    fn reason(cause: TrapNumber, access: u64) -> Reason {
        Reason::of(&FaultMessage { cause: cause.to_bits(), access, address: 7, ..FaultMessage::default() })
    }

    #[test]
    fn stops_are_told_apart() {
        let vector = 1 << 32;
        assert_eq!(reason(TrapNumber::BREAKPOINT, 3 << 32), Reason::Breakpoint);
        assert_eq!(reason(TrapNumber::DEBUG, vector | DEBUG_SINGLE_STEP), Reason::Debug { stepped: true, met: 0 });
        assert_eq!(reason(TrapNumber::DEBUG, vector | 0b1010), Reason::Debug { stepped: false, met: 0b1010 });
        let fault = Reason::Fault { trap: TrapNumber::LOAD_PAGE_FAULT, address: 7 };
        assert_eq!(reason(TrapNumber::LOAD_PAGE_FAULT, 14 << 32 | 4), fault);
    }
}
