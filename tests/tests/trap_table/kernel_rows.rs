//! Traps in the kernel: one boot each, since they end in lockdown.

use ci::machine::Machine;
use ci::outcome::Outcome;
use ci::transcript::Transcript;
use gatehouse_abi::{TestHook, TrapNumber};
use integration_tests::boot;
use programs::{KERNEL_IMAGE, NON_CANONICAL, UNMAPPED};

use crate::row::{Raised, Row, Space, in_words};

/// A trap that the kernel is made to take.
struct Case {
    trap: &'static str,
    hook: TestHook,
    argument: Argument,
    number: TrapNumber,
    vector: u8,
    error_code: u64,
}

/// What the hook is given.
enum Argument {
    Number(u64),
    /// A word that the program `test_hook` knows, and what the table calls that address.
    Word(&'static str, &'static str),
}

const fn at(trap: &'static str, hook: TestHook, address: u64, number: TrapNumber, error_code: u64) -> Case {
    Case { trap, hook, argument: Argument::Number(address), number, vector: 14, error_code }
}

const fn invalid(trap: &'static str, hook: TestHook, number: TrapNumber) -> Case {
    Case { trap, hook, argument: Argument::Number(NON_CANONICAL), number, vector: 13, error_code: 0 }
}

const fn by_stub(trap: &'static str, vector: u8, error_code: u64, number: TrapNumber) -> Case {
    let argument = Argument::Number(vector as u64 | error_code << 32);
    Case { trap, hook: TestHook::ExceptionInKernel, argument, number, vector, error_code }
}

const fn plain(trap: &'static str, hook: TestHook, number: TrapNumber, vector: u8) -> Case {
    Case { trap, hook, argument: Argument::Number(0), number, vector, error_code: 0 }
}

/// Page-fault error code bits.
const PRESENT: u64 = 1;
const WRITE: u64 = 2;
const FETCH: u64 = 16;
/// A page of every program, where the test's own code is.
const PROGRAM: u64 = 0x40_0000;

const CASES: &[Case] = &[
    by_stub("unaligned access", 17, 0, TrapNumber::UNALIGNED_LOAD),
    invalid("call of a non-canonical address", TestHook::Execute, TrapNumber::INVALID_MEMORY_EXECUTION),
    invalid("load from a non-canonical address", TestHook::Load, TrapNumber::INVALID_MEMORY_LOAD),
    invalid("store to a non-canonical address", TestHook::Store, TrapNumber::INVALID_MEMORY_STORE),
    at("call of an unmapped page", TestHook::Execute, UNMAPPED, TrapNumber::EXECUTION_PAGE_FAULT, FETCH),
    at("call of a program's page", TestHook::Execute, PROGRAM, TrapNumber::EXECUTION_PAGE_FAULT, FETCH | PRESENT),
    Case {
        argument: Argument::Word("block", "that of CPU 0's block"),
        ..at("call of the kernel's data", TestHook::Execute, 0, TrapNumber::EXECUTION_PAGE_FAULT, FETCH | PRESENT)
    },
    at("load from address 0", TestHook::Load, 0, TrapNumber::LOAD_PAGE_FAULT, 0),
    at("load from a program's page", TestHook::Load, PROGRAM, TrapNumber::LOAD_PAGE_FAULT, PRESENT),
    at("store to an unmapped page", TestHook::Store, UNMAPPED, TrapNumber::STORE_PAGE_FAULT, WRITE),
    at("store to the kernel's code", TestHook::Store, KERNEL_IMAGE, TrapNumber::STORE_PAGE_FAULT, WRITE | PRESENT),
    Case {
        argument: Argument::Word("guard", "below the interrupt stack"),
        ..at("store to a guard page", TestHook::Store, 0, TrapNumber::STORE_PAGE_FAULT, WRITE)
    },
    plain("undefined instruction", TestHook::UnknownInstruction, TrapNumber::UNKNOWN_INSTRUCTION, 6),
    plain("breakpoint instruction", TestHook::Breakpoint, TrapNumber::BREAKPOINT, 3),
    plain("division by zero", TestHook::DivideError, TrapNumber::DIVIDE_ERROR, 0),
    by_stub("overflow", 4, 0, TrapNumber::OVERFLOW),
    by_stub("BOUND out of range", 5, 0, TrapNumber::BOUND_RANGE),
    by_stub("use of the floating-point unit", 7, 0, TrapNumber::DEVICE_NOT_AVAILABLE),
    by_stub("double fault", 8, 0, TrapNumber::DOUBLE_FAULT),
    by_stub("vector 9", 9, 0, TrapNumber::RESERVED_EXCEPTION),
    by_stub("bad task state", 10, 0x28, TrapNumber::SEGMENT),
    by_stub("segment not present", 11, 0x30, TrapNumber::SEGMENT),
    by_stub("bad stack segment", 12, 0x30, TrapNumber::PROTECTION),
    by_stub("bad selector", 13, 0x30, TrapNumber::PROTECTION),
    by_stub("vector 15", 15, 0, TrapNumber::RESERVED_EXCEPTION),
    by_stub("unmasked x87 exception", 16, 0, TrapNumber::FLOATING_POINT),
    by_stub("machine check", 18, 0, TrapNumber::MACHINE_CHECK),
    by_stub("unmasked SSE exception", 19, 0, TrapNumber::FLOATING_POINT),
    by_stub("virtualization exception", 20, 0, TrapNumber::VIRTUALIZATION),
    by_stub("control-flow protection", 21, 1, TrapNumber::CONTROL_PROTECTION),
    by_stub("vector 22", 22, 0, TrapNumber::RESERVED_EXCEPTION),
    by_stub("vector 23", 23, 0, TrapNumber::RESERVED_EXCEPTION),
    by_stub("vector 24", 24, 0, TrapNumber::RESERVED_EXCEPTION),
    by_stub("vector 25", 25, 0, TrapNumber::RESERVED_EXCEPTION),
    by_stub("vector 26", 26, 0, TrapNumber::RESERVED_EXCEPTION),
    by_stub("vector 27", 27, 0, TrapNumber::RESERVED_EXCEPTION),
    by_stub("hypervisor injection", 28, 0, TrapNumber::VIRTUALIZATION),
    by_stub("VMM communication", 29, 0x72, TrapNumber::VIRTUALIZATION),
    by_stub("security exception", 30, 1, TrapNumber::VIRTUALIZATION),
    by_stub("vector 31", 31, 0, TrapNumber::RESERVED_EXCEPTION),
];

/// One boot for each case.
pub fn seen() -> Vec<Row> {
    CASES.iter().map(row).collect()
}

fn row(case: &Case) -> Row {
    let hook = case.hook as u64;
    let (argument, address) = match case.argument {
        Argument::Number(number) if case.hook == TestHook::ExceptionInKernel => (format!("{number:#x}"), "0x0".into()),
        Argument::Number(number) => (format!("{number:#x}"), format!("{number:#x}")),
        Argument::Word(word, address) => (word.to_string(), address.to_string()),
    };
    let words = format!("hook={hook} argument={argument}");
    let transcript = boot(&Machine::new().smp(1).command_line(format!("test-hooks init=test_hook {words}")));
    let wanted = in_words(case.number, u64::from(case.vector), case.error_code, &address);
    Row {
        test: format!("test_hook {words}"),
        trap: case.trap.into(),
        space: Space::Kernel,
        raised: if case.hook == TestHook::ExceptionInKernel { Raised::Stub } else { Raised::Processor },
        vector: Some(case.vector),
        number: Some(case.number),
        expected: format!("lockdown: {wanted}"),
        seen: lockdown(case, &transcript),
    }
}

/// What a boot's report says, in words.
fn lockdown(case: &Case, transcript: &Transcript) -> String {
    if transcript.outcome != Outcome::Lockdown {
        return format!("no lockdown: {transcript}");
    }
    let report: Vec<&str> =
        transcript.kernel.iter().map(String::as_str).skip_while(|line| !line.starts_with("lockdown: CPU 0")).collect();
    let after = |mark: &str| {
        let found = report.iter().find_map(|line| line.split_once(mark));
        found.map_or("", |(_, rest)| rest.split_whitespace().next().unwrap_or(""))
    };
    let number = TrapNumber::from_bits(after("internal ").parse().unwrap_or(u64::MAX));
    let error_code = u64::from_str_radix(after("error=0x"), 16).unwrap_or(u64::MAX);
    let address = after("  address ");
    let (vector, mnemonic) = (u64::from(case.vector), mnemonic(case.vector));
    let told = after("in the kernel: ");
    if told != mnemonic {
        return format!("lockdown: {told}, expected {mnemonic}: {transcript}");
    }
    // Where a word stood for the address, it is that of no program and not 0: the kernel knows which.
    let address = match case.argument {
        Argument::Word(_, name) if address.starts_with("0xffff") => name,
        _ => address,
    };
    format!("lockdown: {}", in_words(number, vector, error_code, address))
}

/// The manuals' mnemonic of a vector.
pub fn mnemonic(vector: u8) -> &'static str {
    const MNEMONICS: [&str; 32] = [
        "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "reserved", "#TS", "#NP", "#SS", "#GP", "#PF",
        "reserved", "#MF", "#AC", "#MC", "#XM", "#VE", "#CP", "reserved", "reserved", "reserved", "reserved",
        "reserved", "reserved", "#HV", "#VC", "#SX", "reserved",
    ];
    MNEMONICS[usize::from(vector)]
}
