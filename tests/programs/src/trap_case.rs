//! The traps that programs take for the table of traps in the book: what raises each, and what should come of it.

use gatehouse_runtime::abi::{DEBUG_SINGLE_STEP, TrapNumber};
use gatehouse_runtime::memory::IMAGE_BASE;

use crate::expected_end::{ExpectedTrap, Place};
use crate::fault::{Fault, KERNEL_DIRECT_MAP, NON_CANONICAL, UNMAPPED, page_fault_code};

/// A program that takes a trap.
#[derive(Clone, Copy, Debug)]
pub struct TrapCase {
    /// What it does, in words.
    pub trap: &'static str,
    /// The program, and the argument that makes it do so.
    pub program: &'static str,
    /// See there.
    pub argument: u64,
    /// What its handler should be told; without a handler, how it should end.
    pub expected: ExpectedTrap,
}

/// The fields of the argument of the program `delivered`, which asks the kernel to enter the stub of an exception.
pub mod delivered {
    /// An instruction that accesses no memory stands where the exception is said to have happened.
    pub const NO_ACCESS: u64 = 0;
    /// A load from [`ODD`].
    pub const LOAD: u64 = 1;
    /// A store to [`ODD`].
    pub const STORE: u64 = 2;
    /// A load from a non-canonical address, by way of the stack segment.
    pub const STACK_LOAD: u64 = 3;
    /// A store there.
    pub const STACK_STORE: u64 = 4;

    /// An address that no word is aligned at.
    pub const ODD: u64 = super::UNMAPPED + 1;

    /// The argument for a vector, one of the instructions above, and an error code.
    #[must_use]
    pub const fn argument(vector: u64, instruction: u64, error_code: u64) -> u64 {
        vector | instruction << 8 | error_code << 32
    }

    /// Vector, instruction and error code of an argument.
    #[must_use]
    pub const fn fields(argument: u64) -> (u64, u64, u64) {
        (argument & 0xff, argument >> 8 & 0xff, argument >> 32)
    }
}

const fn fault(trap: &'static str, fault: Fault, expected: ExpectedTrap) -> TrapCase {
    TrapCase { trap, program: "fault", argument: fault as u64, expected }
}

const fn by_stub(trap: &'static str, vector: u64, instruction: u64, code: u64, number: TrapNumber) -> TrapCase {
    let expected = ExpectedTrap::new(number, vector, code);
    TrapCase { trap, program: "delivered", argument: delivered::argument(vector, instruction, code), expected }
}

/// The same, where the instruction tells the address.
const fn by_stub_at(case: TrapCase, address: u64) -> TrapCase {
    TrapCase { expected: case.expected.address(Place::At(address)), ..case }
}

const fn page_fault(number: TrapNumber, code: u64) -> ExpectedTrap {
    ExpectedTrap::new(number, 14, code)
}

const fn plain(number: TrapNumber, vector: u64) -> ExpectedTrap {
    ExpectedTrap::new(number, vector, 0)
}

const FETCH: u64 = page_fault_code::USER | page_fault_code::FETCH;
const LOAD: u64 = page_fault_code::USER;
const STORE: u64 = page_fault_code::USER | page_fault_code::WRITE;
const PRESENT: u64 = page_fault_code::PRESENT;

/// Every trap that a program can take, or can be made to take, in the order of the table.
pub const TRAP_CASES: &[TrapCase] = &[
    by_stub_at(by_stub("unaligned load", 17, delivered::LOAD, 0, TrapNumber::UNALIGNED_LOAD), delivered::ODD),
    by_stub_at(by_stub("unaligned store", 17, delivered::STORE, 0, TrapNumber::UNALIGNED_STORE), delivered::ODD),
    TrapCase {
        trap: "jump to a non-canonical address",
        program: "non_canonical",
        argument: 2,
        expected: plain(TrapNumber::INVALID_MEMORY_EXECUTION, 13).address(Place::At(1 << 47)),
    },
    fault(
        "load from a non-canonical address",
        Fault::LoadNonCanonical,
        plain(TrapNumber::INVALID_MEMORY_LOAD, 13).address(Place::At(NON_CANONICAL)),
    ),
    fault(
        "store to a non-canonical address",
        Fault::StoreNonCanonical,
        plain(TrapNumber::INVALID_MEMORY_STORE, 13).address(Place::At(NON_CANONICAL)),
    ),
    by_stub_at(
        by_stub("load by a non-canonical stack pointer", 12, delivered::STACK_LOAD, 0, TrapNumber::INVALID_MEMORY_LOAD),
        NON_CANONICAL,
    ),
    by_stub_at(
        by_stub(
            "store by a non-canonical stack pointer",
            12,
            delivered::STACK_STORE,
            0,
            TrapNumber::INVALID_MEMORY_STORE,
        ),
        NON_CANONICAL,
    ),
    fault(
        "jump to an unmapped page",
        Fault::ExecuteUnmapped,
        page_fault(TrapNumber::EXECUTION_PAGE_FAULT, FETCH).address(Place::At(UNMAPPED)),
    ),
    fault(
        "jump to a page that is not executable",
        Fault::ExecuteStack,
        page_fault(TrapNumber::EXECUTION_PAGE_FAULT, FETCH | PRESENT).address(Place::InstructionPointer),
    ),
    fault(
        "jump to address 0",
        Fault::ExecuteNull,
        page_fault(TrapNumber::EXECUTION_PAGE_FAULT, FETCH).address(Place::At(0)),
    ),
    fault(
        "load from an unmapped page",
        Fault::LoadUnmapped,
        page_fault(TrapNumber::LOAD_PAGE_FAULT, LOAD).address(Place::At(UNMAPPED)),
    ),
    fault(
        "load from the kernel's half",
        Fault::LoadFromKernel,
        page_fault(TrapNumber::LOAD_PAGE_FAULT, LOAD).either(PRESENT).address(Place::At(KERNEL_DIRECT_MAP)),
    ),
    fault(
        "store to an unmapped page",
        Fault::StoreUnmapped,
        page_fault(TrapNumber::STORE_PAGE_FAULT, STORE).address(Place::At(UNMAPPED)),
    ),
    fault(
        "store to a page that is not writable",
        Fault::StoreToCode,
        page_fault(TrapNumber::STORE_PAGE_FAULT, STORE | PRESENT).address(Place::At(IMAGE_BASE)),
    ),
    fault("undefined instruction", Fault::InvalidOpcode, plain(TrapNumber::UNKNOWN_INSTRUCTION, 6)),
    fault("division by zero", Fault::DivideByZero, plain(TrapNumber::DIVIDE_ERROR, 0)),
    fault("int 4", Fault::Overflow, plain(TrapNumber::OVERFLOW, 4)),
    by_stub("BOUND out of range", 5, delivered::NO_ACCESS, 0, TrapNumber::BOUND_RANGE),
    by_stub("vector 9", 9, delivered::NO_ACCESS, 0, TrapNumber::RESERVED_EXCEPTION),
    by_stub("bad task state", 10, delivered::NO_ACCESS, 0x28, TrapNumber::SEGMENT),
    by_stub("segment not present", 11, delivered::NO_ACCESS, 0x30, TrapNumber::SEGMENT),
    by_stub("bad stack segment", 12, delivered::NO_ACCESS, 0x30, TrapNumber::PROTECTION),
    fault("privileged instruction", Fault::PrivilegedInstruction, plain(TrapNumber::PROTECTION, 13)),
    fault("int through a closed gate", Fault::ClosedGate, ExpectedTrap::new(TrapNumber::PROTECTION, 13, 0x20 << 3 | 2)),
    by_stub("vector 15", 15, delivered::NO_ACCESS, 0, TrapNumber::RESERVED_EXCEPTION),
    TrapCase {
        trap: "unmasked x87 exception",
        program: "floating_point",
        argument: 0,
        expected: plain(TrapNumber::FLOATING_POINT, 16),
    },
    by_stub("machine check", 18, delivered::NO_ACCESS, 0, TrapNumber::MACHINE_CHECK),
    by_stub("unmasked SSE exception", 19, delivered::NO_ACCESS, 0, TrapNumber::FLOATING_POINT),
    by_stub("virtualization exception", 20, delivered::NO_ACCESS, 0, TrapNumber::VIRTUALIZATION),
    by_stub("control-flow protection", 21, delivered::NO_ACCESS, 1, TrapNumber::CONTROL_PROTECTION),
    by_stub("vector 22", 22, delivered::NO_ACCESS, 0, TrapNumber::RESERVED_EXCEPTION),
    by_stub("vector 23", 23, delivered::NO_ACCESS, 0, TrapNumber::RESERVED_EXCEPTION),
    by_stub("vector 24", 24, delivered::NO_ACCESS, 0, TrapNumber::RESERVED_EXCEPTION),
    by_stub("vector 25", 25, delivered::NO_ACCESS, 0, TrapNumber::RESERVED_EXCEPTION),
    by_stub("vector 26", 26, delivered::NO_ACCESS, 0, TrapNumber::RESERVED_EXCEPTION),
    by_stub("vector 27", 27, delivered::NO_ACCESS, 0, TrapNumber::RESERVED_EXCEPTION),
    by_stub("hypervisor injection", 28, delivered::NO_ACCESS, 0, TrapNumber::VIRTUALIZATION),
    by_stub("VMM communication", 29, delivered::NO_ACCESS, 0x72, TrapNumber::VIRTUALIZATION),
    by_stub("security exception", 30, delivered::NO_ACCESS, 1, TrapNumber::VIRTUALIZATION),
    by_stub("vector 31", 31, delivered::NO_ACCESS, 0, TrapNumber::RESERVED_EXCEPTION),
    fault("breakpoint instruction", Fault::Breakpoint, plain(TrapNumber::BREAKPOINT, 3)),
    fault("single step", Fault::SingleStep, ExpectedTrap::new(TrapNumber::DEBUG, 1, DEBUG_SINGLE_STEP)),
];

#[cfg(test)]
mod tests {
    use super::{TRAP_CASES, delivered};

    #[test]
    fn cases_are_distinct_and_their_programs_are_there() {
        let package = std::env::var("CARGO_MANIFEST_DIR").expect("cargo tells the tests their package");
        let bins = std::path::Path::new(&package).join("src/bin");
        for (index, case) in TRAP_CASES.iter().enumerate() {
            assert!(bins.join(case.program).with_extension("rs").exists(), "{}", case.program);
            assert!(TRAP_CASES[..index].iter().all(|other| other.trap != case.trap), "{}", case.trap);
        }
    }

    #[test]
    fn fields_survive_the_argument() {
        let argument = delivered::argument(29, delivered::STACK_STORE, 0xffff_ffff);
        assert_eq!(delivered::fields(argument), (29, delivered::STACK_STORE, 0xffff_ffff));
    }
}
