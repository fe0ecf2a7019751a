//! A thread that stands still for its debugger.

use crate::abi::{
    DEBUG_SINGLE_STEP, Error, FaultMessage, HARDWARE_BREAKPOINTS, MessageTag, REPLY_KILL, REPLY_REGISTERS,
    REPLY_RESUME, ThreadRegisters, TrapNumber,
};
use crate::message::{Utcb, read_fault_registers, reply};

/// RFLAGS.TF: the thread stops after its next instruction.
pub const TRAP_FLAG: u64 = 1 << 8;

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
    pub(super) const fn new(fault: FaultMessage, badge: u64, utcb: Utcb) -> Self {
        Self { fault, badge, utcb }
    }

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
            return reply(MessageTag::new(REPLY_RESUME, 0), [0; 4]);
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
        reply(MessageTag::new(REPLY_KILL, 0), [0; 4])
    }

    fn reply_with(&self, registers: &ThreadRegisters) -> Result<(), Error> {
        self.utcb.set_registers(registers);
        reply(MessageTag::new(REPLY_REGISTERS, 0), [0; 4])
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
