//! Every instruction that was executed between two marks, with the registers before it.

use super::registers::Registers;

/// The program whose marks begin and end a trace, and the two marks: functions that do nothing.
pub const PROGRAM: &str = "bench";
/// Called with the address and length of what is traced: see [`Trace::parts`].
pub const BEGIN: &str = "bench_trace_begin";
/// Called at the end.
pub const END: &str = "bench_trace_end";

/// The longest instruction, in bytes (Intel SDM volume 2, "Instruction Format").
pub const LONGEST_INSTRUCTION: usize = 15;

/// One instruction, about to be executed.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The CPU, from 0.
    pub cpu: usize,
    /// Its registers.
    pub registers: Registers,
    /// The bytes at the instruction pointer; zeros in ring 3, where nothing is decoded.
    pub bytes: [u8; LONGEST_INSTRUCTION],
}

impl Step {
    /// Whether the kernel executes it.
    pub fn in_kernel(&self) -> bool {
        !self.registers.in_user_mode()
    }
}

/// What was executed between two marks.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// The text that the program gave at the first mark.
    pub name: String,
    /// The instructions, in order.
    pub steps: Vec<Step>,
}

/// What a part of a trace is a part of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parts {
    /// The stays in the kernel, in order, each with the key of its path; `None` where it is of no interest.
    Each(Vec<Option<String>>),
    /// All of the kernel's instructions are one path.
    All {
        /// Its key.
        key: String,
        /// The keys of its two parts, there and back: see [`Trace::turn`].
        halves: Option<[String; 2]>,
    },
}

impl Trace {
    /// Reads the name: keys with commas between, `-` for a stay in the kernel that is of no interest; or one key with `*`
    /// behind it, for the sum of all, and behind that the keys of its two halves with a comma between, if it has any; or one key with `@` and a symbol of the kernel, see [`Self::starts_at`].
    pub fn parts(&self) -> Parts {
        if let Some((key, _)) = self.name.split_once('@') {
            return Parts::Each(vec![Some(key.into())]);
        }
        if let Some((key, halves)) = self.name.split_once('*') {
            let halves = halves.split_once(',').map(|(there, back)| [there.into(), back.into()]);
            return Parts::All { key: key.into(), halves };
        }
        let each = self.name.split(',').map(|key| (key != "-" && !key.is_empty()).then(|| key.to_string()));
        Parts::Each(each.collect())
    }

    /// The kernel's symbol at which the trace begins: until then the machine runs.
    pub fn starts_at(&self) -> Option<&str> {
        self.name.split_once('@').map(|(_, symbol)| symbol)
    }

    /// Whether more than one CPU, or something from outside, has a part in it.
    pub fn crosses_cpus(&self) -> bool {
        matches!(self.parts(), Parts::All { .. })
    }

    /// Where the other CPU, to which it goes, is in ring 3 for the first time: the number of that step.
    pub fn turn(&self) -> Option<usize> {
        let first = self.steps.first()?.cpu;
        self.steps.iter().position(|step| step.cpu != first && !step.in_kernel())
    }

    /// The stays in the kernel: runs of instructions of one CPU outside ring 3, in the order of their beginnings. What
    /// another CPU does meanwhile cuts none.
    pub fn stays(&self) -> Vec<Vec<Step>> {
        let mut stays: Vec<Vec<Step>> = Vec::new();
        let cpus = self.steps.iter().map(|step| step.cpu).max().map_or(0, |last| last + 1);
        let mut open: Vec<Option<usize>> = vec![None; cpus];
        for step in &self.steps {
            let place = &mut open[step.cpu];
            if !step.in_kernel() {
                *place = None;
                continue;
            }
            let index = *place.get_or_insert_with(|| {
                stays.push(Vec::new());
                stays.len() - 1
            });
            stays[index].push(*step);
        }
        stays
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(cpu: usize, user: bool, instruction_pointer: u64) -> Step {
        let code_segment = if user { 0x23 } else { 8 };
        let registers = Registers { instruction_pointer, code_segment, ..Registers::default() };
        Step { cpu, registers, bytes: [0; LONGEST_INSTRUCTION] }
    }

    fn named(name: &str) -> Trace {
        Trace { name: name.into(), steps: Vec::new() }
    }

    #[test]
    fn names_tell_the_parts() {
        assert_eq!(named("a,-,b").parts(), Parts::Each(vec![Some("a".into()), None, Some("b".into())]));
        assert_eq!(named("a").parts(), Parts::Each(vec![Some("a".into())]));
        assert_eq!(named("a*").parts(), Parts::All { key: "a".into(), halves: None });
        let halves = Some(["b".into(), "c".into()]);
        assert_eq!(named("a*b,c").parts(), Parts::All { key: "a".into(), halves });
        assert!(named("a*b,c").crosses_cpus());
        assert_eq!(named("a@b").parts(), Parts::Each(vec![Some("a".into())]));
        assert_eq!(named("a@b").starts_at(), Some("b"));
        assert_eq!(named("a").starts_at(), None);
    }

    #[test]
    fn the_turn_is_on_another_cpu() {
        let steps = vec![step(0, true, 1), step(0, false, 2), step(1, false, 3), step(1, true, 4), step(0, true, 5)];
        assert_eq!(Trace { name: String::new(), steps }.turn(), Some(3));
        assert_eq!(named("a").turn(), None);
    }

    #[test]
    fn stays_end_in_ring_3_and_other_cpus_cut_none() {
        let steps = vec![
            step(0, true, 1),
            step(0, false, 2),
            step(1, false, 3),
            step(0, false, 4),
            step(0, true, 5),
            step(0, false, 6),
        ];
        let trace = Trace { name: String::new(), steps };
        let stays: Vec<Vec<u64>> = trace
            .stays()
            .iter()
            .map(|stay| stay.iter().map(|step| step.registers.instruction_pointer).collect())
            .collect();
        assert_eq!(stays, [vec![2, 4], vec![3], vec![6]]);
    }
}
