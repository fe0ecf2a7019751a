//! Every register that ring 3 can fill, before and after a way through the kernel.

use core::arch::naked_asm;
use core::mem::offset_of;

use crate::abi::SystemCall;
use crate::entry_point::{self, CallsMade};

/// RFLAGS bits that arithmetic changes: CF PF AF ZF SF OF.
pub const ARITHMETIC_FLAGS: u64 = 0x8d5;
/// RFLAGS as a program starts: IF and the bit that is always set.
pub const START_FLAGS: u64 = 0x202;
/// RFLAGS.TF: trap after each instruction.
pub const TRAP_FLAG: u64 = 1 << 8;
/// RFLAGS.DF: string instructions run downwards.
pub const DIRECTION_FLAG: u64 = 1 << 10;
/// RFLAGS.NT: nested task.
pub const NESTED_TASK_FLAG: u64 = 1 << 14;
/// RFLAGS.AC: alignment check.
pub const ALIGNMENT_CHECK_FLAG: u64 = 1 << 18;
/// RFLAGS.ID: set and cleared at will where CPUID exists.
pub const IDENTIFICATION_FLAG: u64 = 1 << 21;

/// Values for the registers of one thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(16))]
pub struct RegisterPattern {
    /// XMM0 to XMM15, low half first.
    pub xmm: [[u64; 2]; 16],
    /// ST(0) to ST(7) as the bits of double-precision numbers.
    pub x87: [u64; 8],
    /// RAX RBX RCX RDX RSI RDI RBP R8 to R15, in the order of [`GENERAL_NAMES`].
    pub general: [u64; 15],
    /// RFLAGS.
    pub flags: u64,
    /// RSP; filled in by a crossing on both sides.
    pub stack_pointer: u64,
    /// MXCSR.
    pub mxcsr: u32,
    /// The x87 control word.
    pub x87_control: u16,
}

/// The names of [`RegisterPattern::general`].
pub const GENERAL_NAMES: [&str; 15] =
    ["RAX", "RBX", "RCX", "RDX", "RSI", "RDI", "RBP", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15"];

const RAX: usize = 0;
const RCX: usize = 2;
const RDI: usize = 5;
const R11: usize = 10;

/// What happens between filling the registers and reading them back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crossing {
    /// A system call by SYSCALL, with RDI set to its first argument.
    Syscall(SystemCall, u64),
    /// A system call by `int 0x80`, with RDI set to its first argument.
    Int80(SystemCall, u64),
    /// The instruction `int3`: somebody else must let the thread go on.
    Breakpoint,
    /// No call, but that many turns of a loop, for interrupts to arrive in.
    Spin(u64),
}

/// A register that did not come back as it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which register.
    pub register: &'static str,
    /// Its number within an array of registers, such as 3 for XMM3; 0 otherwise.
    pub number: usize,
    /// What it held before.
    pub before: u64,
    /// What it held after.
    pub after: u64,
}

impl RegisterPattern {
    /// A pattern in which every register differs from every other one, and from those of other seeds.
    #[must_use]
    pub fn distinct(seed: u64) -> Self {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x6a09_e667_f3bc_c908;
        let mut next = || {
            // The multiplier and increment of Knuth's MMIX generator: full period, so no value comes twice.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state
        };
        let mut pattern = Self {
            xmm: [[0; 2]; 16],
            x87: [0; 8],
            general: [0; 15],
            flags: START_FLAGS | (next() & ARITHMETIC_FLAGS),
            stack_pointer: 0,
            // All exceptions masked; the rounding mode depends on the seed.
            mxcsr: 0x1f80 | ((seed as u32 & 3) << 13),
            x87_control: 0x037f | ((seed as u16 & 3) << 10),
        };
        pattern.general.fill_with(&mut next);
        pattern.xmm.fill_with(|| [next(), next()]);
        // Exponent 0x400 and a random fraction: an ordinary number between 2 and 4, which the x87 keeps bit by bit.
        pattern.x87.fill_with(|| 0x4000_0000_0000_0000 | (next() >> 12));
        pattern
    }

    /// Fills the registers with this pattern, lets the crossing happen and reads them back. Both
    /// patterns are as the instruction of the crossing saw them: RAX and RDI of `before` hold the call.
    #[must_use]
    pub fn cross(mut self, crossing: Crossing) -> Crossed {
        let mut after = self;
        let iterations = match crossing {
            Crossing::Syscall(call, argument) | Crossing::Int80(call, argument) => {
                self.general[RAX] = call as u64;
                self.general[RDI] = argument;
                0
            }
            Crossing::Breakpoint => 0,
            Crossing::Spin(turns) => turns.max(1),
        };
        match crossing {
            Crossing::Syscall(..) => entry_point::count(CallsMade { syscall: 1, int80: 0 }),
            Crossing::Int80(..) => entry_point::count(CallsMade { syscall: 0, int80: 1 }),
            Crossing::Breakpoint | Crossing::Spin(_) => {}
        }
        let function = match crossing {
            Crossing::Syscall(..) => cross_by_syscall,
            Crossing::Int80(..) => cross_by_int80,
            Crossing::Breakpoint => cross_by_breakpoint,
            Crossing::Spin(_) => cross_by_spinning,
        };
        // SAFETY: both pointers are to live patterns of this frame; the calls that [`Crossing`] can name take
        // numbers only in their first argument, or the caller of `cross` named one that refuses the pattern.
        unsafe { function(&mut self, &mut after, iterations) };
        Crossed { crossing, before: self, after }
    }
}

/// The registers on both sides of a crossing.
#[derive(Clone, Copy, Debug)]
pub struct Crossed {
    /// What happened in between.
    pub crossing: Crossing,
    /// The registers before.
    pub before: RegisterPattern,
    /// The registers after.
    pub after: RegisterPattern,
}

impl Crossed {
    /// The answer of the system call.
    #[must_use]
    pub const fn answer(&self) -> u64 {
        self.after.general[RAX]
    }

    /// The first register that the ABI says survives and that did not.
    #[must_use]
    pub fn difference(&self) -> Option<Difference> {
        let (before, after) = (&self.before, &self.after);
        let destroyed: &[usize] = match self.crossing {
            Crossing::Syscall(..) => &[RAX, RCX, R11],
            Crossing::Int80(..) => &[RAX],
            Crossing::Breakpoint | Crossing::Spin(_) => &[],
        };
        let flags = match self.crossing {
            Crossing::Spin(_) => !ARITHMETIC_FLAGS,
            _ => !0,
        };
        let difference = |register, number, before, after| {
            (before != after).then_some(Difference { register, number, before, after })
        };
        (0..GENERAL_NAMES.len())
            .filter(|index| !destroyed.contains(index))
            .find_map(|index| difference(GENERAL_NAMES[index], 0, before.general[index], after.general[index]))
            .or_else(|| difference("RSP", 0, before.stack_pointer, after.stack_pointer))
            .or_else(|| difference("RFLAGS", 0, before.flags & flags, after.flags & flags))
            .or_else(|| {
                let halves = before.xmm.as_flattened().iter().zip(after.xmm.as_flattened());
                halves.enumerate().find_map(|(index, (before, after))| difference("XMM", index / 2, *before, *after))
            })
            .or_else(|| {
                let numbers = before.x87.iter().zip(&after.x87);
                numbers.enumerate().find_map(|(index, (before, after))| difference("ST", index, *before, *after))
            })
            .or_else(|| difference("MXCSR", 0, before.mxcsr.into(), after.mxcsr.into()))
            .or_else(|| difference("x87 control word", 0, before.x87_control.into(), after.x87_control.into()))
    }
}

/// Defines a function that fills every register from `before`, executes one piece of assembly and stores every
/// register to `after`.
///
/// Registers in: RDI `before`, RSI `after`, RDX turns of the loop (at least 1). Registers lost: those that the C
/// convention lets a function lose; x87, MXCSR and DF, AC, NT are left as a program starts.
///
/// The stack while the piece runs, from RSP up: turns left; `after`; R15 R14 R13 R12 RBP RBX; the return address.
/// The piece may change memory at RSP and nothing else of it. A signal-like upcall does not exist, so what lies below
/// RSP afterwards belongs to this function.
macro_rules! define_crossing {
    ($(#[$documentation:meta])* $name:ident, $piece:literal) => {
        $(#[$documentation])*
        ///
        /// # Safety
        /// Both pointers must be to patterns that nothing else uses now; `before` must hold flags that do not trap
        /// (no TF), and a system call whose writing, if any, the caller can bear.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(before: *mut RegisterPattern, after: *mut RegisterPattern, turns: u64) {
            naked_asm!(
                "push rbx", "push rbp", "push r12", "push r13", "push r14", "push r15",
                "push rsi",
                "push rdx",
                "mov [rdi + {stack_pointer}], rsp",
                "movups xmm0, [rdi + {xmm} + 0x00]", "movups xmm1, [rdi + {xmm} + 0x10]",
                "movups xmm2, [rdi + {xmm} + 0x20]", "movups xmm3, [rdi + {xmm} + 0x30]",
                "movups xmm4, [rdi + {xmm} + 0x40]", "movups xmm5, [rdi + {xmm} + 0x50]",
                "movups xmm6, [rdi + {xmm} + 0x60]", "movups xmm7, [rdi + {xmm} + 0x70]",
                "movups xmm8, [rdi + {xmm} + 0x80]", "movups xmm9, [rdi + {xmm} + 0x90]",
                "movups xmm10, [rdi + {xmm} + 0xa0]", "movups xmm11, [rdi + {xmm} + 0xb0]",
                "movups xmm12, [rdi + {xmm} + 0xc0]", "movups xmm13, [rdi + {xmm} + 0xd0]",
                "movups xmm14, [rdi + {xmm} + 0xe0]", "movups xmm15, [rdi + {xmm} + 0xf0]",
                "fninit",
                "fldcw word ptr [rdi + {x87_control}]",
                // Pushed last to first, so that ST(0) is the first.
                "fld qword ptr [rdi + {x87} + 56]", "fld qword ptr [rdi + {x87} + 48]",
                "fld qword ptr [rdi + {x87} + 40]", "fld qword ptr [rdi + {x87} + 32]",
                "fld qword ptr [rdi + {x87} + 24]", "fld qword ptr [rdi + {x87} + 16]",
                "fld qword ptr [rdi + {x87} + 8]", "fld qword ptr [rdi + {x87}]",
                "ldmxcsr dword ptr [rdi + {mxcsr}]",
                "push qword ptr [rdi + {flags}]", "popfq",
                "mov rax, [rdi + {general} + 0]", "mov rbx, [rdi + {general} + 8]",
                "mov rcx, [rdi + {general} + 16]", "mov rdx, [rdi + {general} + 24]",
                "mov rsi, [rdi + {general} + 32]", "mov rbp, [rdi + {general} + 48]",
                "mov r8, [rdi + {general} + 56]", "mov r9, [rdi + {general} + 64]",
                "mov r10, [rdi + {general} + 72]", "mov r11, [rdi + {general} + 80]",
                "mov r12, [rdi + {general} + 88]", "mov r13, [rdi + {general} + 96]",
                "mov r14, [rdi + {general} + 104]", "mov r15, [rdi + {general} + 112]",
                "mov rdi, [rdi + {general} + 40]",
                $piece,
                // From RSP up: RDI, RFLAGS, then what was there before.
                "pushfq",
                "push rdi",
                "mov rdi, [rsp + 24]",
                "mov [rdi + {general} + 0], rax", "mov [rdi + {general} + 8], rbx",
                "mov [rdi + {general} + 16], rcx", "mov [rdi + {general} + 24], rdx",
                "mov [rdi + {general} + 32], rsi", "mov [rdi + {general} + 48], rbp",
                "mov [rdi + {general} + 56], r8", "mov [rdi + {general} + 64], r9",
                "mov [rdi + {general} + 72], r10", "mov [rdi + {general} + 80], r11",
                "mov [rdi + {general} + 88], r12", "mov [rdi + {general} + 96], r13",
                "mov [rdi + {general} + 104], r14", "mov [rdi + {general} + 112], r15",
                "pop qword ptr [rdi + {general} + 40]",
                "pop qword ptr [rdi + {flags}]",
                "mov [rdi + {stack_pointer}], rsp",
                "movups [rdi + {xmm} + 0x00], xmm0", "movups [rdi + {xmm} + 0x10], xmm1",
                "movups [rdi + {xmm} + 0x20], xmm2", "movups [rdi + {xmm} + 0x30], xmm3",
                "movups [rdi + {xmm} + 0x40], xmm4", "movups [rdi + {xmm} + 0x50], xmm5",
                "movups [rdi + {xmm} + 0x60], xmm6", "movups [rdi + {xmm} + 0x70], xmm7",
                "movups [rdi + {xmm} + 0x80], xmm8", "movups [rdi + {xmm} + 0x90], xmm9",
                "movups [rdi + {xmm} + 0xa0], xmm10", "movups [rdi + {xmm} + 0xb0], xmm11",
                "movups [rdi + {xmm} + 0xc0], xmm12", "movups [rdi + {xmm} + 0xd0], xmm13",
                "movups [rdi + {xmm} + 0xe0], xmm14", "movups [rdi + {xmm} + 0xf0], xmm15",
                "stmxcsr dword ptr [rdi + {mxcsr}]",
                "fnstcw word ptr [rdi + {x87_control}]",
                "fstp qword ptr [rdi + {x87}]", "fstp qword ptr [rdi + {x87} + 8]",
                "fstp qword ptr [rdi + {x87} + 16]", "fstp qword ptr [rdi + {x87} + 24]",
                "fstp qword ptr [rdi + {x87} + 32]", "fstp qword ptr [rdi + {x87} + 40]",
                "fstp qword ptr [rdi + {x87} + 48]", "fstp qword ptr [rdi + {x87} + 56]",
                "fninit",
                "push 0x1f80", "ldmxcsr dword ptr [rsp]", "pop rax",
                "push {start_flags}", "popfq",
                "pop rdx",
                "pop rsi",
                "pop r15", "pop r14", "pop r13", "pop r12", "pop rbp", "pop rbx",
                "ret",
                xmm = const offset_of!(RegisterPattern, xmm),
                x87 = const offset_of!(RegisterPattern, x87),
                general = const offset_of!(RegisterPattern, general),
                flags = const offset_of!(RegisterPattern, flags),
                stack_pointer = const offset_of!(RegisterPattern, stack_pointer),
                mxcsr = const offset_of!(RegisterPattern, mxcsr),
                x87_control = const offset_of!(RegisterPattern, x87_control),
                start_flags = const START_FLAGS,
            )
        }
    };
}

define_crossing! {
    /// Crosses by SYSCALL.
    cross_by_syscall, "syscall"
}
define_crossing! {
    /// Crosses by `int 0x80`.
    cross_by_int80, "int 0x80"
}
define_crossing! {
    /// Stops at a breakpoint, for somebody else to let it go on.
    cross_by_breakpoint, "int3"
}
define_crossing! {
    /// Stays in ring 3 for a while; the count of turns is the word at RSP.
    cross_by_spinning, "2: dec qword ptr [rsp]\njnz 2b"
}

#[cfg(test)]
mod tests {
    use super::{ALIGNMENT_CHECK_FLAG, Crossing, DIRECTION_FLAG, Difference, RegisterPattern};

    #[test]
    fn values_are_distinct_within_and_between_patterns() {
        let mut seen = std::collections::HashSet::new();
        for seed in 0..100 {
            let pattern = RegisterPattern::distinct(seed);
            let values = pattern.general.iter().chain(pattern.xmm.as_flattened()).chain(&pattern.x87);
            for value in values {
                assert!(seen.insert(*value), "{value:#x} comes twice");
            }
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn registers_survive_a_loop_on_the_host() {
        for seed in 0..8 {
            let mut pattern = RegisterPattern::distinct(seed);
            pattern.flags |= DIRECTION_FLAG;
            let crossed = pattern.cross(Crossing::Spin(1000));
            assert_eq!(crossed.difference(), None);
            assert_eq!(crossed.after.general, pattern.general);
        }
    }

    #[test]
    fn a_difference_is_named() {
        let before = RegisterPattern::distinct(1);
        let mut crossed = super::Crossed { crossing: Crossing::Spin(1), before, after: before };
        assert_eq!(crossed.difference(), None);
        crossed.after.x87_control ^= 1;
        assert_eq!(crossed.difference().map(|difference| difference.register), Some("x87 control word"));
        crossed.after.xmm[3][1] ^= 1;
        let xmm = Difference { register: "XMM", number: 3, before: before.xmm[3][1], after: before.xmm[3][1] ^ 1 };
        assert_eq!(crossed.difference(), Some(xmm));
        crossed.after.flags ^= 1;
        assert_eq!(crossed.difference(), Some(xmm), "arithmetic flags do not count in a loop");
        crossed.after.flags ^= ALIGNMENT_CHECK_FLAG;
        assert_eq!(crossed.difference().map(|difference| difference.register), Some("RFLAGS"));
        crossed.after.general[14] ^= 1;
        assert_eq!(crossed.difference().map(|difference| difference.register), Some("R15"));
    }
}
