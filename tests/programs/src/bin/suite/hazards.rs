//! The table of hazards. A new one is a file in `src/bin` and a row here.

use core::ops::Range;

use gatehouse_runtime::abi::{DEBUG_SINGLE_STEP, ProgramEnd, TrapNumber};
use programs::{
    BOUNDARY_PAGE, ExpectedEnd, ExpectedTrap, KERNEL_DIRECT_MAP, KERNEL_IMAGE, LOCAL_CALL_GATE, LOCAL_DATA, Mismatch,
    PROGRAM_END_STATUS, Place, UNMAP_ELSEWHERE_PAGE, int_n_site, page_fault_code, site,
};

/// A program and how it should end.
#[derive(Debug)]
pub(crate) struct Hazard {
    /// The program's name.
    pub(crate) name: &'static str,
    /// The arguments with which it is run.
    pub(crate) arguments: Range<u64>,
    /// How it should end, by argument.
    pub(crate) expected: fn(u64) -> ExpectedEnd,
    /// Another way in which it may end, where processors differ.
    or: Option<fn(u64) -> ExpectedEnd>,
}

impl Hazard {
    /// What is wrong with an end; `None` when it is as expected.
    pub(crate) fn mismatch(&self, argument: u64, end: &ProgramEnd) -> Option<Mismatch> {
        let mismatch = (self.expected)(argument).mismatch(end)?;
        match self.or {
            Some(or) if or(argument).mismatch(end).is_none() => None,
            _ => Some(mismatch),
        }
    }
}

/// A hazard that checks everything itself.
const fn exits(name: &'static str) -> Hazard {
    Hazard { name, arguments: 0..1, expected: |_| ExpectedEnd::Exit(0), or: None }
}

/// A hazard whose end depends on its argument.
const fn ends(name: &'static str, arguments: Range<u64>, expected: fn(u64) -> ExpectedEnd) -> Hazard {
    Hazard { name, arguments, expected, or: None }
}

/// Every hazard, in the order in which they are run.
pub(crate) const HAZARDS: &[Hazard] = &[
    exits("hello"),
    exits("registers"),
    exits("flags"),
    exits("fs_base"),
    Hazard { or: Some(wrgsbase_missing), ..ends("gs_base", 0..6, gs_base) },
    ends("int_n", 0..256, int_n),
    ends("null_access", 0..2, null_access),
    ends("null_jump", 0..2, null_jump),
    Hazard { or: Some(stack_fault), ..ends("non_canonical", 0..7, non_canonical) },
    ends("kernel_access", 0..6, kernel_access),
    ends("divide_error", 0..2, divide_error),
    ends("invalid_opcode", 0..4, invalid_opcode),
    Hazard { or: Some(without_xsave), ..ends("privileged", 0..22, privileged) },
    ends("local_descriptors", 0..6, local_descriptors),
    ends("single_step", 0..2, single_step),
    ends("step_over_call", 0..4, step_over_call),
    ends("stack_overflow", 0..3, stack_overflow),
    ends("floating_point", 0..1, floating_point),
    ends("syscall_boundary", 0..1, syscall_boundary),
    ends("program_end", 0..3, program_end),
    ends("paused", 0..4, paused),
    ends("unmap_elsewhere", 0..1, unmap_elsewhere),
    exits("bad_arguments"),
    exits("made_up_progress"),
    exits("copy_race"),
    exits("threads"),
    exits("sleep_order"),
    exits("timers"),
    exits("yield_storm"),
    exits("preempt"),
];

const LOAD: u64 = page_fault_code::USER;
const STORE: u64 = page_fault_code::USER | page_fault_code::WRITE;
const FETCH: u64 = page_fault_code::USER | page_fault_code::FETCH;

const fn page_fault(trap: TrapNumber, code: u64) -> ExpectedTrap {
    ExpectedTrap::new(trap, 14, code)
}

const fn protection(error_code: u64) -> ExpectedTrap {
    ExpectedTrap::new(TrapNumber::PROTECTION, 13, error_code)
}

fn gs_base(argument: u64) -> ExpectedEnd {
    let at = |offset| Place::At(site(argument) + offset);
    ExpectedEnd::Trap(match argument {
        0 | 5 => return ExpectedEnd::Exit(0),
        1 => ExpectedTrap::new(TrapNumber::UNKNOWN_INSTRUCTION, 6, 0).instruction(at(0)),
        2 => page_fault(TrapNumber::LOAD_PAGE_FAULT, LOAD).address(Place::At(0)).instruction(at(0)),
        3 => ExpectedTrap::new(TrapNumber::BREAKPOINT, 3, 0).instruction(at(1)),
        _ => ExpectedTrap::new(TrapNumber::DEBUG, 1, DEBUG_SINGLE_STEP).instruction(at(3)),
    })
}

/// Without CR4.FSGSBASE the instruction of argument 5 does not exist.
fn wrgsbase_missing(argument: u64) -> ExpectedEnd {
    match argument {
        5 => ExpectedEnd::Trap(ExpectedTrap::new(TrapNumber::UNKNOWN_INSTRUCTION, 6, 0)),
        _ => gs_base(argument),
    }
}

fn int_n(vector: u64) -> ExpectedEnd {
    let here = int_n_site(vector as u8);
    // Through an open gate the processor pushes the address behind the two bytes of the instruction.
    ExpectedEnd::Trap(match vector {
        3 => ExpectedTrap::new(TrapNumber::BREAKPOINT, 3, 0).instruction(Place::At(here + 2)),
        4 => ExpectedTrap::new(TrapNumber::OVERFLOW, 4, 0).instruction(Place::At(here + 2)),
        0x80 => return ExpectedEnd::Exit(0),
        // Selector index, and the bit that says that it is one of the IDT.
        _ => protection(vector << 3 | 2).instruction(Place::At(here)),
    })
}

fn null_access(argument: u64) -> ExpectedEnd {
    let fault = match argument {
        0 => page_fault(TrapNumber::LOAD_PAGE_FAULT, LOAD),
        _ => page_fault(TrapNumber::STORE_PAGE_FAULT, STORE),
    };
    ExpectedEnd::Trap(fault.address(Place::At(0)).instruction(Place::At(site(argument))))
}

fn null_jump(_argument: u64) -> ExpectedEnd {
    let fault = page_fault(TrapNumber::EXECUTION_PAGE_FAULT, FETCH);
    ExpectedEnd::Trap(fault.address(Place::At(0)).instruction(Place::At(0)))
}

/// The address that `non_canonical` uses.
const NON_CANONICAL: u64 = 0x8000_0000_0000;
/// What a push with its stack pointer there would store to.
const NON_CANONICAL_STACK: u64 = NON_CANONICAL + 0x1000 - 8;

fn non_canonical(argument: u64) -> ExpectedEnd {
    let (trap, address, instruction) = match argument {
        0 => (TrapNumber::INVALID_MEMORY_LOAD, NON_CANONICAL, Place::At(site(argument))),
        1 => (TrapNumber::INVALID_MEMORY_STORE, NON_CANONICAL, Place::At(site(argument))),
        // Processors report the branch, emulators often where it leads.
        2 | 3 | 5 | 6 => (TrapNumber::INVALID_MEMORY_EXECUTION, NON_CANONICAL, Place::Anywhere),
        _ => (TrapNumber::INVALID_MEMORY_STORE, NON_CANONICAL_STACK, Place::Anywhere),
    };
    ExpectedEnd::Trap(ExpectedTrap::new(trap, 13, 0).address(Place::At(address)).instruction(instruction))
}

/// For the stack pointer processors have an exception of its own; emulators take the other one.
fn stack_fault(argument: u64) -> ExpectedEnd {
    match argument {
        4 => {
            let fault = ExpectedTrap::new(TrapNumber::INVALID_MEMORY_STORE, 12, 0);
            ExpectedEnd::Trap(fault.address(Place::At(NON_CANONICAL_STACK)))
        }
        _ => non_canonical(argument),
    }
}

fn kernel_access(argument: u64) -> ExpectedEnd {
    let address = if argument.is_multiple_of(2) { KERNEL_DIRECT_MAP } else { KERNEL_IMAGE };
    let number = argument / 2;
    let (trap, code, instruction) = match number {
        0 => (TrapNumber::LOAD_PAGE_FAULT, LOAD, site(number)),
        1 => (TrapNumber::STORE_PAGE_FAULT, STORE, site(number)),
        _ => (TrapNumber::EXECUTION_PAGE_FAULT, FETCH, address),
    };
    // Whether the kernel has mapped the page is no business of a program.
    let fault = page_fault(trap, code).either(page_fault_code::PRESENT);
    ExpectedEnd::Trap(fault.address(Place::At(address)).instruction(Place::At(instruction)))
}

fn divide_error(argument: u64) -> ExpectedEnd {
    let fault = ExpectedTrap::new(TrapNumber::DIVIDE_ERROR, 0, 0);
    ExpectedEnd::Trap(match argument {
        0 => fault.instruction(Place::At(site(argument))),
        // Behind MOV, CQO and MOV: 3, 2 and 7 bytes.
        _ => fault.instruction(Place::At(site(argument) + 12)),
    })
}

fn invalid_opcode(argument: u64) -> ExpectedEnd {
    let fault = ExpectedTrap::new(TrapNumber::UNKNOWN_INSTRUCTION, 6, 0);
    ExpectedEnd::Trap(fault.instruction(Place::At(site(argument))))
}

fn privileged(argument: u64) -> ExpectedEnd {
    let within = Place::Within(site(argument), site(argument + 1));
    ExpectedEnd::Trap(match argument {
        // With the selector that may not be loaded.
        19 | 20 => protection(8).instruction(within),
        21 => protection(0xfff8).instruction(within),
        _ => protection(0).instruction(within),
    })
}

/// Where the kernel has not turned XSAVE on, XSETBV is unknown before it is privileged.
fn without_xsave(argument: u64) -> ExpectedEnd {
    match argument {
        18 => ExpectedEnd::Trap(ExpectedTrap::new(TrapNumber::UNKNOWN_INSTRUCTION, 6, 0)),
        _ => privileged(argument),
    }
}

/// The selector is one of a table that is not there: its RPL is not part of the error code.
fn local_descriptors(argument: u64) -> ExpectedEnd {
    if argument == 5 {
        return ExpectedEnd::Exit(0);
    }
    let selector = if argument < 2 { LOCAL_CALL_GATE } else { LOCAL_DATA };
    let within = Place::Within(site(argument), site(argument + 1));
    ExpectedEnd::Trap(protection(u64::from(selector & !3)).instruction(within))
}

fn single_step(argument: u64) -> ExpectedEnd {
    // PUSH and POPFQ are one byte each, and so is the instruction behind them.
    let fault = ExpectedTrap::new(TrapNumber::DEBUG, 1, DEBUG_SINGLE_STEP);
    ExpectedEnd::Trap(fault.instruction(Place::At(site(argument) + 3)))
}

fn step_over_call(argument: u64) -> ExpectedEnd {
    // The first step may end right behind the call or one instruction later, never in the kernel. XOR, PUSH and POPFQ are 4
    // bytes, with the loads of SS 8; the call is 2, each instruction behind it 1.
    let call = site(argument) + if argument < 2 { 4 } else { 8 };
    let fault = ExpectedTrap::new(TrapNumber::DEBUG, 1, DEBUG_SINGLE_STEP);
    ExpectedEnd::Trap(fault.instruction(Place::Within(call + 2, call + 4)))
}

fn stack_overflow(argument: u64) -> ExpectedEnd {
    let fault = page_fault(TrapNumber::STORE_PAGE_FAULT, STORE);
    ExpectedEnd::Trap(match argument {
        0 | 1 => fault.address(Place::StackPointer(-8)).instruction(Place::At(site(argument))),
        // SUB is 7 bytes.
        _ => fault.address(Place::StackPointer(0)).instruction(Place::At(site(argument) + 7)),
    })
}

fn floating_point(_argument: u64) -> ExpectedEnd {
    ExpectedEnd::Trap(ExpectedTrap::new(TrapNumber::FLOATING_POINT, 16, 0).instruction(Place::Within(site(0), site(1))))
}

fn syscall_boundary(_argument: u64) -> ExpectedEnd {
    let behind = Place::At(BOUNDARY_PAGE + 4096);
    let fault = page_fault(TrapNumber::EXECUTION_PAGE_FAULT, FETCH);
    ExpectedEnd::Trap(fault.address(behind).instruction(behind))
}

fn program_end(argument: u64) -> ExpectedEnd {
    match argument {
        0 | 1 => ExpectedEnd::Exit(PROGRAM_END_STATUS),
        _ => {
            let fault = ExpectedTrap::new(TrapNumber::UNKNOWN_INSTRUCTION, 6, 0);
            ExpectedEnd::Trap(fault.instruction(Place::At(site(0))))
        }
    }
}

fn paused(argument: u64) -> ExpectedEnd {
    match argument {
        0 | 3 => ExpectedEnd::Exit(0),
        _ => program_end(argument),
    }
}

fn unmap_elsewhere(_argument: u64) -> ExpectedEnd {
    let fault = page_fault(TrapNumber::LOAD_PAGE_FAULT, LOAD);
    ExpectedEnd::Trap(fault.address(Place::At(UNMAP_ELSEWHERE_PAGE)))
}

#[cfg(test)]
mod tests {
    use super::HAZARDS;

    #[test]
    fn every_row_is_a_program_of_this_crate() {
        let package = std::env::var("CARGO_MANIFEST_DIR").expect("cargo tells the tests their package");
        let bins = std::path::Path::new(&package).join("src/bin");
        for (index, hazard) in HAZARDS.iter().enumerate() {
            let file = bins.join(hazard.name).with_extension("rs");
            assert!(file.exists(), "{} is missing", file.display());
            assert!(HAZARDS[..index].iter().all(|other| other.name != hazard.name), "{} is there twice", hazard.name);
        }
    }

    /// The text of all files of a folder and the folders in it, but the one with this name.
    fn sources(folder: &std::path::Path, but: &str) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(folder).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            match path.file_stem().and_then(|stem| stem.to_str()) {
                Some(stem) if stem == but => {}
                _ if path.is_dir() => text += &sources(&path, but),
                _ => text += &std::fs::read_to_string(&path).expect("sources are text"),
            }
        }
        text
    }

    #[test]
    fn every_program_of_this_crate_is_a_row_or_is_named_by_a_test_or_another_program() {
        let package = std::env::var("CARGO_MANIFEST_DIR").expect("cargo tells the tests their package");
        let root = std::path::Path::new(&package);
        let folders = ["../tests", "../src", "../../ci/src", "../../ci/bench/src"];
        let tests = folders.map(|folder| sources(&root.join(folder), "")).concat();
        let bins = root.join("src/bin");
        for entry in std::fs::read_dir(&bins).expect("src/bin is there") {
            let path = entry.expect("src/bin can be read").path();
            let name = path.file_stem().and_then(|stem| stem.to_str()).expect("programs have plain names");
            let booted = [format!("init={name}"), format!("(\"{name}\"")].iter().any(|text| tests.contains(text));
            let started = || sources(&root.join("src"), name).contains(&format!("\"{name}\""));
            // The default first program.
            assert!(name == "demo" || booted || started(), "{name} is never run");
        }
    }
}
