//! Backtraces by frame pointers, across traps.
//!
//! Every function of the kernel keeps RBP (`-Cforce-frame-pointers`): at `[rbp]` lies the caller's RBP, above it the return
//! address (System V ABI, "The Stack Frame"). The entries put the address of the trap frame plus one into RBP before they
//! call Rust, so that an odd RBP says: what is above here was interrupted, and its registers are in that frame.
//!
//! The walk believes nothing that it reads: every word must lie where its reader says that memory can be read, RBP must
//! rise while the stack is the same, and the number of steps is limited. It reads no memory by itself, so it runs on the
//! host as it does here.

use heapless::Vec;

use super::frame::{TrapFrame, offsets};
use crate::arch::{Origin, TrapFrame as _};

/// The most steps of a backtrace.
pub const MOST_STEPS: usize = 40;

/// Where to begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CodePoint {
    /// RIP.
    pub instruction: u64,
    /// RSP.
    pub stack: u64,
    /// RBP.
    pub frame: u64,
}

/// One step of a backtrace, the innermost first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The code at this address runs, or was interrupted.
    At(u64),
    /// A call returns to this address.
    ReturnsTo(u64),
    /// The step before comes so many times more.
    Again(u64),
    /// A trap with this vector interrupted what follows.
    Trap(u64),
    /// A program was interrupted at this address: the end.
    Program(u64),
    /// The frame pointer has this value, which leads nowhere: the end.
    Lost(u64),
    /// There is more.
    Cut,
}

/// The most words that are followed: as many frames as fit into the largest stack, and some.
const MOST_FRAMES: usize = 20_000;

/// The steps of a backtrace.
pub type Backtrace = Vec<Step, MOST_STEPS>;

/// Follows the frame pointers from `start`. `read` answers the word at an address, if it can be read there without a
/// fault.
#[must_use]
pub fn walk(start: CodePoint, read: impl Fn(u64) -> Option<u64>) -> Backtrace {
    let mut steps = Backtrace::new();
    let mut put = |step| put(&mut steps, step);
    let mut complete = put(Step::At(start.instruction));
    let (mut at, mut lowest) = (start.frame, 0);
    let mut left = MOST_FRAMES;
    while complete && at != 0 {
        left -= 1;
        if left == 0 {
            complete = false;
            break;
        }
        if at & 1 != 0 {
            let Some((vector, origin, point)) = interrupted(at - 1, &read) else {
                complete = put(Step::Lost(at));
                break;
            };
            complete = put(Step::Trap(vector));
            if origin == Origin::User {
                complete = complete && put(Step::Program(point.instruction));
                break;
            }
            complete = complete && put(Step::At(point.instruction));
            // The interrupted code may have been on another stack, above or below.
            (at, lowest) = (point.frame, 0);
            continue;
        }
        let words = at.checked_add(8).and_then(|above| Some((read(at)?, read(above)?)));
        let Some((caller, returns_to)) = words.filter(|_| at.is_multiple_of(8) && at >= lowest) else {
            complete = put(Step::Lost(at));
            break;
        };
        if returns_to == 0 {
            // The first function of a CPU: nobody called it.
            break;
        }
        complete = put(Step::ReturnsTo(returns_to));
        (at, lowest) = (caller, at + 16);
    }
    if !complete {
        // There is a place left for it, by the test in `put`.
        let _ = steps.push(Step::Cut);
    }
    steps
}

/// Adds a step, or counts it if it is the same return once more; `false` if there is no room. One place is kept for the mark
/// that the rest is missing.
fn put(steps: &mut Backtrace, step: Step) -> bool {
    if let (Step::ReturnsTo(_), [.., before, Step::Again(count)]) = (step, &mut steps[..])
        && *before == step
    {
        *count += 1;
        return true;
    }
    let repeats = matches!(step, Step::ReturnsTo(_)) && steps.last() == Some(&step);
    steps.len() + 1 < MOST_STEPS && steps.push(if repeats { Step::Again(1) } else { step }).is_ok()
}

/// What the trap frame at `address` says: vector, who was interrupted, and where.
fn interrupted(address: u64, read: &impl Fn(u64) -> Option<u64>) -> Option<(u64, Origin, CodePoint)> {
    if !address.is_multiple_of(align_of::<TrapFrame>() as u64) {
        return None;
    }
    let word = |offset: usize| read(address.checked_add(offset as u64)?);
    let origin = if word(offsets::CODE_SEGMENT)? & 3 == 3 { Origin::User } else { Origin::Kernel };
    let point = CodePoint {
        instruction: word(offsets::INSTRUCTION_POINTER)?,
        stack: word(offsets::STACK_POINTER)?,
        frame: word(offsets::FRAME_POINTER)?,
    };
    Some((word(offsets::VECTOR)?, origin, point))
}

impl CodePoint {
    /// Where a saved context was interrupted.
    #[must_use]
    pub fn of(frame: &TrapFrame) -> Self {
        Self { instruction: frame.instruction_pointer(), stack: frame.stack_pointer(), frame: frame.general.rbp }
    }

    /// Where this is called. Inlined, so that the frame pointer is the caller's.
    #[cfg(target_os = "none")]
    #[inline(always)]
    #[must_use]
    pub fn here() -> Self {
        let (instruction, stack, frame): (u64, u64, u64);
        // SAFETY: reads three registers.
        unsafe {
            core::arch::asm!("lea {}, [rip]", "mov {}, rsp", "mov {}, rbp", out(reg) instruction, out(reg) stack,
                out(reg) frame, options(nomem, nostack, preserves_flags));
        }
        Self { instruction, stack, frame }
    }
}

/// The backtrace of a saved context: that of the kernel code that was interrupted, or none but the program's address.
#[must_use]
pub fn backtrace_of(frame: &TrapFrame, read: impl Fn(u64) -> Option<u64>) -> Backtrace {
    match frame.origin() {
        Origin::Kernel => walk(CodePoint::of(frame), read),
        Origin::User => Backtrace::from_iter([Step::Program(frame.instruction_pointer())]),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const BASE: u64 = 0xffff_c010_0000_1000;

    /// Stack memory, word by word.
    #[derive(Default)]
    struct Memory(BTreeMap<u64, u64>);

    impl Memory {
        fn put(&mut self, address: u64, words: &[u64]) {
            self.0.extend((address..).step_by(8).zip(words.iter().copied()));
        }

        /// A trap frame; answers the frame pointer that marks it.
        fn put_frame(&mut self, address: u64, vector: u64, code_segment: u64, point: CodePoint) -> u64 {
            let at = |offset: usize| address + offset as u64;
            self.put(at(offsets::VECTOR), &[vector]);
            self.put(at(offsets::CODE_SEGMENT), &[code_segment]);
            self.put(at(offsets::INSTRUCTION_POINTER), &[point.instruction]);
            self.put(at(offsets::STACK_POINTER), &[point.stack]);
            self.put(at(offsets::FRAME_POINTER), &[point.frame]);
            address + 1
        }

        fn walk(&self, instruction: u64, frame: u64) -> Vec<Step, MOST_STEPS> {
            walk(CodePoint { instruction, stack: 0, frame }, |at| self.0.get(&at).copied())
        }
    }

    use Step::{Again, At, Cut, Lost, Program, ReturnsTo, Trap};

    #[test]
    fn calls_lead_to_the_first_function() {
        let mut memory = Memory::default();
        memory.put(BASE, &[BASE + 0x40, 0x101]);
        memory.put(BASE + 0x40, &[BASE + 0x80, 0x102]);
        memory.put(BASE + 0x80, &[0, 0x103]);
        assert_eq!(memory.walk(0x100, BASE), [At(0x100), ReturnsTo(0x101), ReturnsTo(0x102), ReturnsTo(0x103)]);
        memory.put(BASE + 0x80, &[0, 0]);
        assert_eq!(memory.walk(0x100, BASE), [At(0x100), ReturnsTo(0x101), ReturnsTo(0x102)]);
    }

    #[test]
    fn traps_are_crossed_to_another_stack_and_end_at_a_program() {
        let mut memory = Memory::default();
        let other = BASE - 0x8000;
        let point = CodePoint { instruction: 0x201, stack: 0, frame: other };
        let mark = memory.put_frame(BASE + 0x100, 1, 8, point);
        memory.put(BASE, &[mark, 0x101]);
        let user =
            memory.put_frame(BASE + 0x400, 256, 0x23, CodePoint { instruction: 0x40_0000, stack: 0, frame: BASE });
        memory.put(other, &[user, 0x202]);
        let steps = [At(0x100), ReturnsTo(0x101), Trap(1), At(0x201), ReturnsTo(0x202), Trap(256), Program(0x40_0000)];
        assert_eq!(memory.walk(0x100, BASE), steps);
    }

    #[test]
    fn what_leads_nowhere_ends_it() {
        let mut memory = Memory::default();
        assert_eq!(memory.walk(1, BASE), [At(1), Lost(BASE)], "not readable");
        assert_eq!(memory.walk(1, BASE + 1), [At(1), Lost(BASE + 1)], "no frame");
        assert_eq!(memory.walk(1, u64::MAX - 7), [At(1), Lost(u64::MAX - 7)]);
        memory.put(BASE, &[BASE, 2]);
        assert_eq!(memory.walk(1, BASE), [At(1), ReturnsTo(2), Lost(BASE)], "does not rise");
        memory.put(BASE, &[BASE + 4, 2]);
        assert_eq!(memory.walk(1, BASE), [At(1), ReturnsTo(2), Lost(BASE + 4)], "not aligned");
    }

    #[test]
    fn deep_recursion_is_cut_and_said_to_be() {
        let mut memory = Memory::default();
        (0..100).for_each(|depth| memory.put(BASE + depth * 16, &[BASE + (depth + 1) * 16, 7 + depth % 2]));
        let steps = memory.walk(1, BASE);
        assert_eq!((steps.len(), steps.last()), (MOST_STEPS, Some(&Cut)));
    }

    #[test]
    fn a_function_that_calls_itself_is_counted() {
        let mut memory = Memory::default();
        (0..100).for_each(|depth| memory.put(BASE + depth * 16, &[BASE + (depth + 1) * 16, 7]));
        memory.put(BASE + 1600, &[0, 8]);
        assert_eq!(memory.walk(1, BASE), [At(1), ReturnsTo(7), Again(99), ReturnsTo(8)]);
    }

    #[test]
    fn frames_that_lead_to_each_other_end() {
        let mut memory = Memory::default();
        memory.put_frame(BASE, 2, 8, CodePoint { instruction: 5, stack: 0, frame: BASE + 1 });
        assert_eq!(memory.walk(1, BASE + 1).last(), Some(&Cut));
    }

    proptest! {
        #[test]
        fn no_memory_makes_it_panic_or_go_on_for_ever(
            words in prop::collection::vec(prop_oneof![any::<u64>(), (0_u64..64).prop_map(|word| BASE + word)], 64),
            frame in prop_oneof![any::<u64>(), (0_u64..520).prop_map(|at| BASE + at)],
        ) {
            let mut memory = Memory::default();
            memory.put(BASE, &words);
            prop_assert!(memory.walk(1, frame).len() <= MOST_STEPS);
        }
    }
}
