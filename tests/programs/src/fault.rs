//! The faults that the program `fault` takes, one for each number it may be given.

use gatehouse_runtime::abi::{DEBUG_SINGLE_STEP, TrapNumber};
use gatehouse_runtime::memory::IMAGE_BASE;

use crate::expected_end::{ExpectedTrap, Place};
use crate::site::site;

/// An address below every program image, at which nothing is mapped.
pub const UNMAPPED: u64 = 0x20_0000;

/// Address bits 63 to 47 that are not all alike.
pub const NON_CANONICAL: u64 = 0x8000_0000_0000_0000;

/// The kernel's direct map of RAM begins here.
pub const KERNEL_DIRECT_MAP: u64 = 0xffff_8000_0000_0000;

/// The kernel's image begins here.
pub const KERNEL_IMAGE: u64 = 0xffff_ffff_8020_0000;

/// A vector whose gate ring 3 may not use with `int n`.
const CLOSED_GATE: u64 = 0x20;

/// Page-fault error code bits. SDM volume 3, "Page-Fault Exceptions".
pub mod page_fault_code {
    /// The page is there, the access is not allowed.
    pub const PRESENT: u64 = 1 << 0;
    /// The access was a store.
    pub const WRITE: u64 = 1 << 1;
    /// The access was made in ring 3.
    pub const USER: u64 = 1 << 2;
    /// The access was an instruction fetch.
    pub const FETCH: u64 = 1 << 4;
}

/// A fault; its number is the argument of the program `fault`, and the number of its site there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
#[allow(missing_docs, reason = "the names say it; `expected` says it exactly")]
pub enum Fault {
    LoadUnmapped = 0,
    StoreUnmapped,
    StoreToCode,
    LoadFromKernel,
    ExecuteUnmapped,
    ExecuteStack,
    ExecuteNull,
    LoadNonCanonical,
    StoreNonCanonical,
    InvalidOpcode,
    DivideByZero,
    PrivilegedInstruction,
    ClosedGate,
    Breakpoint,
    Overflow,
    SingleStep,
    StackOverflow,
}

impl Fault {
    /// Every fault, in the order of the numbers.
    pub const ALL: [Self; 17] = [
        Self::LoadUnmapped,
        Self::StoreUnmapped,
        Self::StoreToCode,
        Self::LoadFromKernel,
        Self::ExecuteUnmapped,
        Self::ExecuteStack,
        Self::ExecuteNull,
        Self::LoadNonCanonical,
        Self::StoreNonCanonical,
        Self::InvalidOpcode,
        Self::DivideByZero,
        Self::PrivilegedInstruction,
        Self::ClosedGate,
        Self::Breakpoint,
        Self::Overflow,
        Self::SingleStep,
        Self::StackOverflow,
    ];

    /// The fault with this number.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| *fault as u64 == number)
    }

    /// What it does, in words.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::LoadUnmapped => "load from unmapped memory",
            Self::StoreUnmapped => "store to unmapped memory",
            Self::StoreToCode => "store to its own code",
            Self::LoadFromKernel => "load from the kernel's half",
            Self::ExecuteUnmapped => "jump to unmapped memory",
            Self::ExecuteStack => "jump to the stack",
            Self::ExecuteNull => "jump to address 0",
            Self::LoadNonCanonical => "load from a non-canonical address",
            Self::StoreNonCanonical => "store to a non-canonical address",
            Self::InvalidOpcode => "ud2",
            Self::DivideByZero => "division by zero",
            Self::PrivilegedInstruction => "cli",
            Self::ClosedGate => "int 0x20",
            Self::Breakpoint => "int3",
            Self::Overflow => "int 4",
            Self::SingleStep => "single step",
            Self::StackOverflow => "stack overflow",
        }
    }

    /// Where its code lies in the program `fault`.
    #[must_use]
    pub const fn site(self) -> u64 {
        site(self as u64)
    }

    /// What its code is given in RDI.
    #[must_use]
    pub const fn operand(self) -> u64 {
        match self {
            Self::LoadUnmapped | Self::StoreUnmapped | Self::ExecuteUnmapped => UNMAPPED,
            Self::StoreToCode => IMAGE_BASE,
            Self::LoadFromKernel => KERNEL_DIRECT_MAP,
            Self::LoadNonCanonical | Self::StoreNonCanonical => NON_CANONICAL,
            // RFLAGS with TF.
            Self::SingleStep => 0x302,
            _ => 0,
        }
    }

    /// What the kernel should report.
    #[must_use]
    pub fn expected(self) -> ExpectedTrap {
        use page_fault_code::{FETCH, PRESENT, USER, WRITE};
        let page_fault = |trap, code| ExpectedTrap::new(trap, 14, code);
        let at_site = Place::At(self.site());
        let at_operand = Place::At(self.operand());
        match self {
            Self::LoadUnmapped => {
                page_fault(TrapNumber::LOAD_PAGE_FAULT, USER).address(at_operand).instruction(at_site)
            }
            Self::StoreUnmapped => {
                page_fault(TrapNumber::STORE_PAGE_FAULT, USER | WRITE).address(at_operand).instruction(at_site)
            }
            Self::StoreToCode => page_fault(TrapNumber::STORE_PAGE_FAULT, USER | WRITE | PRESENT)
                .address(at_operand)
                .instruction(at_site),
            // Whether the kernel has mapped its first page is no business of a program.
            Self::LoadFromKernel => {
                page_fault(TrapNumber::LOAD_PAGE_FAULT, USER).either(PRESENT).address(at_operand).instruction(at_site)
            }
            Self::ExecuteUnmapped | Self::ExecuteNull => {
                page_fault(TrapNumber::EXECUTION_PAGE_FAULT, USER | FETCH).address(at_operand).instruction(at_operand)
            }
            Self::ExecuteStack => page_fault(TrapNumber::EXECUTION_PAGE_FAULT, USER | FETCH | PRESENT)
                .address(Place::InstructionPointer)
                .instruction(Place::StackPointer(0)),
            Self::LoadNonCanonical => {
                ExpectedTrap::new(TrapNumber::INVALID_MEMORY_LOAD, 13, 0).address(at_operand).instruction(at_site)
            }
            Self::StoreNonCanonical => {
                ExpectedTrap::new(TrapNumber::INVALID_MEMORY_STORE, 13, 0).address(at_operand).instruction(at_site)
            }
            Self::InvalidOpcode => ExpectedTrap::new(TrapNumber::UNKNOWN_INSTRUCTION, 6, 0).instruction(at_site),
            Self::DivideByZero => ExpectedTrap::new(TrapNumber::DIVIDE_ERROR, 0, 0).instruction(at_site),
            Self::PrivilegedInstruction => ExpectedTrap::new(TrapNumber::PROTECTION, 13, 0).instruction(at_site),
            // Selector index, and the bit that says it is one of the IDT.
            Self::ClosedGate => {
                ExpectedTrap::new(TrapNumber::PROTECTION, 13, CLOSED_GATE << 3 | 2).instruction(at_site)
            }
            // Traps proper: the processor gives the address of the next instruction.
            Self::Breakpoint => ExpectedTrap::new(TrapNumber::BREAKPOINT, 3, 0).instruction(Place::At(self.site() + 1)),
            Self::Overflow => ExpectedTrap::new(TrapNumber::OVERFLOW, 4, 0).instruction(Place::At(self.site() + 2)),
            // PUSH and POPFQ are one byte each; the trap comes after the instruction behind POPFQ.
            Self::SingleStep => {
                ExpectedTrap::new(TrapNumber::DEBUG, 1, DEBUG_SINGLE_STEP).instruction(Place::At(self.site() + 3))
            }
            Self::StackOverflow => page_fault(TrapNumber::STORE_PAGE_FAULT, USER | WRITE)
                .address(Place::StackPointer(-8))
                .instruction(at_site),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Fault;

    #[test]
    fn numbers_are_the_order() {
        for (index, fault) in Fault::ALL.into_iter().enumerate() {
            assert_eq!(fault as usize, index);
            assert_eq!(Fault::from_number(index as u64), Some(fault));
        }
        assert_eq!(Fault::from_number(Fault::ALL.len() as u64), None);
    }
}
