//! What the kernel executes for one operation.

use std::collections::BTreeSet;

use iced_x86::{InstructionInfoFactory, Register};

use super::instruction::{self, Access, Kinds};
use super::symbols::Symbols;
use super::trace::{Parts, Step, Trace};

/// What the processor pushes at an interrupt or exception without an error code: SS RSP RFLAGS CS RIP.
const PUSHED_BYTES: u64 = 5 * 8;

/// The assembly between the processor and Rust.
const ASSEMBLY: [&str; 5] = ["trap_stub", "entry::entry", "syscall_entry::syscall_entry", "leave::leave", "entry_ist"];

/// What the kernel executed for one operation, once.
#[derive(Clone, Debug)]
pub struct Path {
    /// The operation.
    pub key: String,
    /// The instructions. From the first behind the trapping one to that which returns to ring 3.
    pub steps: Vec<Step>,
    /// How the stays began: those that a trap and not SYSCALL began push a frame.
    entered_at: Vec<usize>,
}

/// The paths of a trace.
///
/// # Errors
/// The program named more stays than there were.
pub fn paths(trace: &Trace) -> Result<Vec<Path>, String> {
    let stays = trace.stays();
    match trace.parts() {
        Parts::All(key) => {
            let (mut steps, mut entered_at) = (Vec::new(), Vec::new());
            for stay in stays {
                entered_at.push(steps.len());
                steps.extend(stay);
            }
            Ok(vec![Path { key, steps, entered_at }])
        }
        Parts::Each(keys) => {
            if keys.len() > stays.len() {
                return Err(format!("the trace {:?} has {} stays in the kernel", trace.name, stays.len()));
            }
            let named = keys.into_iter().zip(stays).filter_map(|(key, steps)| Some((key?, steps)));
            Ok(named.map(|(key, steps)| Path { key, steps, entered_at: vec![0] }).collect())
        }
    }
}

/// The cache lines of a path, by number (address / 64).
#[derive(Clone, Debug, Default)]
pub struct Lines {
    /// Read, or written.
    pub touched: BTreeSet<u64>,
    /// Written.
    pub written: BTreeSet<u64>,
}

impl Path {
    /// How many instructions.
    pub fn instructions(&self) -> u64 {
        self.steps.len() as u64
    }

    /// How many of each dear kind.
    pub fn kinds(&self) -> Kinds {
        let of = |step: &Step| instruction::kinds(&instruction::decode(step));
        self.steps.iter().map(of).fold(Kinds::default(), Kinds::and)
    }

    /// The cache lines of data that the instructions and the processor's pushes touch; those of code, page tables and
    /// descriptors are not counted. Of CPU `cpu`, or of all.
    pub fn lines(&self, cpu: Option<usize>) -> Lines {
        let mut factory = InstructionInfoFactory::new();
        let mut lines = Lines::default();
        let mut add = |access: Access| {
            lines.touched.extend(access.lines());
            if access.write {
                lines.written.extend(access.lines());
            }
        };
        for (index, step) in self.steps.iter().enumerate().filter(|(_, step)| cpu.is_none_or(|cpu| cpu == step.cpu)) {
            let decoded = instruction::decode(step);
            if self.entered_at.contains(&index)
                && !is_syscall_entry(&decoded)
                && let Some(pointer) = step.registers.value(Register::RSP)
            {
                add(Access { address: pointer, bytes: PUSHED_BYTES, write: true });
            }
            instruction::accesses(step, &decoded, &mut factory).into_iter().for_each(&mut add);
        }
        lines
    }

    /// Instructions before the first of Rust: stub and entry.
    pub fn entry(&self, symbols: &Symbols) -> u64 {
        self.steps.iter().take_while(|step| is_assembly(step, symbols)).count() as u64
    }

    /// Instructions after the last of Rust, that which returns included.
    pub fn exit(&self, symbols: &Symbols) -> u64 {
        self.steps.iter().rev().take_while(|step| is_assembly(step, symbols)).count() as u64
    }
}

/// The halves of exceptions: what of `fault_ipc_deliver` is before Rust, and what of `fault_ipc_reply` behind it. A breakpoint's
/// entry has no error code; its reply leaves by `iretq`.
pub fn halves(paths: &[Path], symbols: &Symbols) -> Vec<Path> {
    let half = |path: &Path| match path.key.as_str() {
        "fault_ipc_deliver" => {
            let steps = path.steps[..path.entry(symbols) as usize].to_vec();
            Some(Path { key: "exception_entry".into(), steps, entered_at: path.entered_at.clone() })
        }
        "fault_ipc_reply" => {
            let steps = path.steps[path.steps.len() - path.exit(symbols) as usize..].to_vec();
            Some(Path { key: "exception_exit".into(), steps, entered_at: Vec::new() })
        }
        _ => None,
    };
    paths.iter().filter_map(half).collect()
}

/// SYSCALL pushes nothing; its entry, and no other, begins with SWAPGS.
fn is_syscall_entry(first: &iced_x86::Instruction) -> bool {
    first.mnemonic() == iced_x86::Mnemonic::Swapgs
}

fn is_assembly(step: &Step, symbols: &Symbols) -> bool {
    let function = symbols.function(step.registers.instruction_pointer);
    ASSEMBLY.iter().any(|name| function.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::super::registers::Registers;
    use super::super::trace::LONGEST_INSTRUCTION;
    use super::*;

    fn step(user: bool, code: &[u8]) -> Step {
        let mut bytes = [0x90; LONGEST_INSTRUCTION];
        bytes[..code.len()].copy_from_slice(code);
        let registers = Registers { code_segment: if user { 0x23 } else { 8 }, ..Registers::default() };
        Step { cpu: 0, registers, bytes }
    }

    fn trace(name: &str) -> Trace {
        let swapgs: &[u8] = &[0x0f, 0x01, 0xf8];
        let steps = [(true, &[][..]), (false, swapgs), (false, &[0x50]), (true, &[]), (false, &[0x50]), (true, &[])];
        Trace { name: name.into(), steps: steps.map(|(user, code)| step(user, code)).to_vec() }
    }

    #[test]
    fn a_trace_is_cut_by_its_name() {
        let found = paths(&trace("a,b")).unwrap();
        assert_eq!(
            found.iter().map(|path| (path.key.as_str(), path.instructions())).collect::<Vec<_>>(),
            [("a", 2), ("b", 1)]
        );
        assert_eq!(paths(&trace("-,b")).unwrap().len(), 1);
        assert_eq!(paths(&trace("a*")).unwrap()[0].instructions(), 3);
        assert!(paths(&trace("a,b,c")).unwrap_err().contains("2 stays"));
    }

    #[test]
    fn kinds_and_lines_are_summed() {
        let found = paths(&trace("a,b")).unwrap();
        assert_eq!(found[0].kinds().swapgs, 1);
        // The push, at RSP 0.
        assert_eq!(found[0].lines(None).written.len(), 1);
        // The push and, above RSP, what the processor pushed.
        assert_eq!(found[1].lines(None).written.len(), 2);
        assert!(found[1].lines(Some(7)).touched.is_empty());
    }
}
