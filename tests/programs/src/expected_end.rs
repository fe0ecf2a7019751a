//! How a program should end, and how that differs from how it ended.

use core::fmt;

use gatehouse_runtime::abi::{EndCause, ProgramEnd, TrapNumber};

/// How a program should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedEnd {
    /// It exits with this status.
    Exit(u64),
    /// The kernel shuts it down for this trap.
    Trap(ExpectedTrap),
}

/// A trap that the kernel should report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectedTrap {
    /// The number.
    pub trap: TrapNumber,
    /// The processor's vector.
    pub vector: u64,
    /// The processor's error code.
    pub error_code: u64,
    /// Bits of the error code that may be either.
    pub error_code_either: u64,
    /// The address that the report should give.
    pub address: Place,
    /// The instruction pointer that the report should give.
    pub instruction: Place,
}

/// An address that a report should give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Any address.
    Anywhere,
    /// Exactly this one.
    At(u64),
    /// That of the instruction pointer in the same report.
    InstructionPointer,
    /// That of the stack pointer in the same report, plus so many bytes.
    StackPointer(i64),
    /// Within `[.0, .1)`.
    Within(u64, u64),
}

/// The first field of a [`ProgramEnd`] that is not as expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The field's name.
    pub field: &'static str,
    /// What it should hold.
    pub expected: u64,
    /// What it holds.
    pub seen: u64,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} is {:#x}, expected {:#x}", self.field, self.seen, self.expected)
    }
}

impl Place {
    /// The address that is meant, given the report; `None` when this one will do.
    fn wrong(self, seen: u64, end: &ProgramEnd) -> Option<u64> {
        let expected = match self {
            Self::Anywhere => return None,
            Self::At(address) => address,
            Self::InstructionPointer => end.instruction_pointer,
            Self::StackPointer(offset) => end.stack_pointer.wrapping_add_signed(offset),
            Self::Within(first, last) if (first..last).contains(&seen) => return None,
            Self::Within(first, _) => first,
        };
        (expected != seen).then_some(expected)
    }
}

impl ExpectedTrap {
    /// A trap of which only number, vector and error code are known beforehand.
    #[must_use]
    pub const fn new(trap: TrapNumber, vector: u64, error_code: u64) -> Self {
        // A trap about no address is told by that of its instruction.
        let address = if trap.concerns_address() { Place::Anywhere } else { Place::InstructionPointer };
        Self { trap, vector, error_code, error_code_either: 0, address, instruction: Place::Anywhere }
    }

    /// The same, with the address that was accessed.
    #[must_use]
    pub const fn address(mut self, place: Place) -> Self {
        self.address = place;
        self
    }

    /// The same, with the instruction pointer.
    #[must_use]
    pub const fn instruction(mut self, place: Place) -> Self {
        self.instruction = place;
        self
    }

    /// The same, with error code bits that may be either.
    #[must_use]
    pub const fn either(mut self, error_code_bits: u64) -> Self {
        self.error_code_either = error_code_bits;
        self
    }
}

impl ExpectedEnd {
    /// Whether it is one by a breakpoint, which only a debugger makes of it.
    #[must_use]
    pub const fn is_at_breakpoint(&self) -> bool {
        matches!(self, Self::Trap(expected) if expected.trap.is_breakpoint())
    }

    /// The first field that is not as expected.
    #[must_use]
    pub fn mismatch(&self, end: &ProgramEnd) -> Option<Mismatch> {
        let differs = |field, expected, seen| (expected != seen).then_some(Mismatch { field, expected, seen });
        match self {
            Self::Exit(status) => {
                differs("cause", EndCause::Exited as u64, end.cause).or_else(|| differs("status", *status, end.status))
            }
            Self::Trap(expected) => differs("cause", EndCause::Trap as u64, end.cause)
                .or_else(|| differs("trap", expected.trap.to_bits(), end.trap))
                .or_else(|| differs("vector", expected.vector, end.vector))
                .or_else(|| {
                    let decided = !expected.error_code_either;
                    differs("error code", expected.error_code & decided, end.error_code & decided)
                })
                .or_else(|| {
                    let wrong = expected.address.wrong(end.address, end)?;
                    Some(Mismatch { field: "address", expected: wrong, seen: end.address })
                })
                .or_else(|| {
                    let wrong = expected.instruction.wrong(end.instruction_pointer, end)?;
                    Some(Mismatch { field: "instruction pointer", expected: wrong, seen: end.instruction_pointer })
                }),
        }
    }
}

impl fmt::Display for ExpectedEnd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(status) => write!(formatter, "exit {status}"),
            Self::Trap(trap) => {
                write!(formatter, "{}, vector {}, error code {:#x}", trap.trap, trap.vector, trap.error_code)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ExpectedEnd, ExpectedTrap, Place};
    use gatehouse_runtime::abi::{EndCause, ProgramEnd, TrapNumber};

    const END: ProgramEnd = ProgramEnd {
        program: 5,
        cause: EndCause::Trap as u64,
        status: 0,
        trap: TrapNumber::STORE_PAGE_FAULT.to_bits(),
        vector: 14,
        error_code: 6,
        address: 0x7ff8,
        instruction_pointer: 0x40_0000,
        stack_pointer: 0x8000,
        thread: 9,
        cpu: 1,
    };

    fn field(expected: ExpectedTrap) -> Option<&'static str> {
        ExpectedEnd::Trap(expected).mismatch(&END).map(|mismatch| mismatch.field)
    }

    #[test]
    fn every_field_is_looked_at() {
        let right = ExpectedTrap::new(TrapNumber::STORE_PAGE_FAULT, 14, 6)
            .address(Place::StackPointer(-8))
            .instruction(Place::At(0x40_0000));
        assert_eq!(field(right), None);
        assert_eq!(field(ExpectedTrap { trap: TrapNumber::LOAD_PAGE_FAULT, ..right }), Some("trap"));
        assert_eq!(field(ExpectedTrap { vector: 13, ..right }), Some("vector"));
        assert_eq!(field(ExpectedTrap { error_code: 4, ..right }), Some("error code"));
        assert_eq!(field(ExpectedTrap { error_code: 7, ..right }.either(1)), None);
        assert_eq!(field(right.address(Place::At(0))), Some("address"));
        assert_eq!(field(right.address(Place::InstructionPointer)), Some("address"));
        assert_eq!(field(right.address(Place::Within(0x7000, 0x8000))), None);
        assert_eq!(field(right.address(Place::Within(0x6000, 0x7000))), Some("address"));
        assert_eq!(field(right.instruction(Place::At(0x40_0001))), Some("instruction pointer"));
    }

    #[test]
    fn exits_and_traps_are_told_apart() {
        let mismatch = ExpectedEnd::Exit(0).mismatch(&END).expect("a trap is no exit");
        assert_eq!(mismatch.field, "cause");
        let exited = ProgramEnd { cause: EndCause::Exited as u64, status: 3, ..END };
        assert_eq!(ExpectedEnd::Exit(3).mismatch(&exited), None);
        assert_eq!(ExpectedEnd::Exit(0).mismatch(&exited).map(|mismatch| mismatch.field), Some("status"));
        let killed = ProgramEnd { cause: EndCause::Killed as u64, ..END };
        assert!(ExpectedEnd::Exit(0).mismatch(&killed).is_some());
    }
}
