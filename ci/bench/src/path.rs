//! What the kernel executes for one operation.

use std::collections::BTreeSet;

use iced_x86::{InstructionInfoFactory, Mnemonic, Register};

use super::instruction::{self, Access, Kinds};
use super::symbols::Symbols;
use super::trace::{Parts, Step, Trace};

/// What the processor pushes at an interrupt or exception without an error code: SS RSP RFLAGS CS RIP.
const PUSHED_BYTES: u64 = 5 * 8;

/// The assembly between the processor and Rust.
const ASSEMBLY: [&str; 5] = ["trap_stub", "common::entry", "syscall_entry::syscall_entry", "leave::leave", "entry_ist"];

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
/// The program named more stays than there were, or halves of what does not go to another CPU.
pub fn paths(trace: &Trace) -> Result<Vec<Path>, String> {
    match trace.parts() {
        Parts::All { key, halves } => {
            let mut found = vec![sum(key, &trace.steps, &[])];
            if let Some([there, back]) = halves {
                let turn = trace.turn().ok_or_else(|| format!("the trace {:?} goes to no other CPU", trace.name))?;
                let (before, after) = trace.steps.split_at(turn);
                found.extend([sum(there, before, &[]), sum(back, after, before)]);
            }
            Ok(found)
        }
        Parts::Each(keys) => {
            let stays = trace.stays();
            if keys.len() > stays.len() {
                return Err(format!("the trace {:?} has {} stays in the kernel", trace.name, stays.len()));
            }
            let named = keys.into_iter().zip(stays).filter_map(|(key, steps)| Some((key?, steps)));
            Ok(named.map(|(key, steps)| Path { key, steps, entered_at: vec![0] }).collect())
        }
    }
}

/// All of the kernel's instructions as one path. What a CPU was in the kernel for `before` goes on, and pushes nothing.
fn sum(key: String, steps: &[Step], before: &[Step]) -> Path {
    let trace = Trace { name: String::new(), steps: steps.to_vec() };
    let mut path = Path { key, steps: Vec::new(), entered_at: Vec::new() };
    let inside = |step: Option<&Step>| step.is_some_and(Step::in_kernel);
    let mut seen = BTreeSet::new();
    for stay in trace.stays() {
        let cpu = stay[0].cpu;
        let goes_on = seen.insert(cpu)
            && inside(steps.iter().find(|step| step.cpu == cpu))
            && inside(before.iter().rev().find(|step| step.cpu == cpu));
        if !goes_on {
            path.entered_at.push(path.steps.len());
        }
        path.steps.extend(stay);
    }
    path
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

/// What of `ping_cpu` is `ipi_round_trip`: the CPU that asks between the kernel's two looks at the counter, and all that the
/// other one does.
pub fn between_stamps(paths: &[Path]) -> Vec<Path> {
    let part = |path: &Path| {
        let asker = path.steps.first()?.cpu;
        let is_stamp = |step: &Step| step.cpu == asker && instruction::decode(step).mnemonic() == Mnemonic::Rdtsc;
        let first = path.steps.iter().position(is_stamp)?;
        let last = path.steps.iter().rposition(is_stamp).filter(|last| *last > first)?;
        let inside =
            |(index, step): (usize, &Step)| (step.cpu != asker || (first < index && index < last)).then_some(*step);
        let steps = path.steps.iter().enumerate().filter_map(inside).collect();
        Some(Path { key: "ipi_round_trip".into(), steps, entered_at: Vec::new() })
    };
    paths.iter().filter(|path| path.key == "ping_cpu").filter_map(part).collect()
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
    use super::*;
    use crate::registers::Registers;
    use crate::trace::LONGEST_INSTRUCTION;

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
    fn a_round_trip_has_halves() {
        let on = |cpu, user, code: &[u8]| Step { cpu, ..step(user, code) };
        let [swapgs, push]: [&[u8]; 2] = [&[0x0f, 0x01, 0xf8], &[0x50]];
        let steps = vec![
            on(0, true, &[]),
            on(0, false, swapgs),
            on(1, false, push),
            on(1, true, &[]),
            on(1, false, push),
            on(0, false, push),
            on(0, false, push),
            on(0, true, &[]),
        ];
        let found = paths(&Trace { name: "a*there,back".into(), steps: steps.clone() }).unwrap();
        let told: Vec<_> = found.iter().map(|path| (path.key.as_str(), path.instructions())).collect();
        assert_eq!(told, [("a", 5), ("there", 2), ("back", 3)]);
        // CPU 0 goes on; CPU 1 was in ring 3.
        assert_eq!(found[2].entered_at, [0]);
        let here = steps[..2].to_vec();
        assert!(paths(&Trace { name: "a*there,back".into(), steps: here }).unwrap_err().contains("no other CPU"));
    }

    #[test]
    fn a_round_trip_is_between_its_stamps() {
        let on = |cpu, code: &[u8]| Step { cpu, ..step(false, code) };
        let [rdtsc, push]: [&[u8]; 2] = [&[0x0f, 0x31], &[0x50]];
        let steps = vec![on(0, push), on(0, rdtsc), on(0, push), on(0, rdtsc), on(0, push), on(1, rdtsc), on(1, push)];
        let path = Path { key: "ping_cpu".into(), steps, entered_at: vec![0] };
        let found = between_stamps(std::slice::from_ref(&path));
        assert_eq!(found[0].steps.iter().map(|step| step.cpu).collect::<Vec<_>>(), [0, 1, 1]);
        assert!(between_stamps(&[Path { steps: path.steps[..3].to_vec(), ..path }]).is_empty());
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
