//! What an instruction accessed, where the processor does not say: #GP, #SS and #AC.
//!
//! Pure: works on a frame and a way to read the program's memory, so it is tested on the host.

use core::cell::RefCell;

use gatehouse_abi::TrapNumber;
use gatehouse_core::memory::layout::PAGE_SIZE;
use iced_x86::{
    Code, Decoder, DecoderError, DecoderOptions, Instruction, InstructionInfoFactory, OpAccess, OpKind, Register,
};
use percpu::{AreaBuilder, CpuLocal, per_cpu};

use super::frame::TrapFrame;
use crate::arch::TrapFrame as _;

/// Makes the decoder build its tables, a third of a megabyte of kernel heap that it keeps: at the start, not in the
/// first fault that needs them.
pub fn prepare_decoder() {
    const NOP: &[u8] = &[0x90];
    let nop = Decoder::new(64, NOP, DecoderOptions::NONE).decode();
    assert_eq!(nop.code(), Code::Nopd);
}

per_cpu! {
    /// For looking into instructions that fault; kept, since making one allocates. It is set before the CPU runs.
    pub static INSTRUCTIONS: CpuLocal<RefCell<Option<InstructionInfoFactory>>> = RefCell::new(None);
}

/// Prepares a CPU that is being made.
pub fn prepare_cpu(area: &mut AreaBuilder) {
    area.set(&INSTRUCTIONS, RefCell::new(Some(instruction_info())));
}

/// A factory whose lists have grown as far as any instruction makes them: a fault then allocates nothing.
fn instruction_info() -> InstructionInfoFactory {
    /// `enter 0, 31` reads and writes the most memory operands, `vzeroall` the most registers.
    const GREEDY: [&[u8]; 2] = [&[0xc8, 0, 0, 31], &[0xc5, 0xfc, 0x77]];
    let mut factory = InstructionInfoFactory::new();
    for bytes in GREEDY {
        let _grown = factory.info(&Decoder::new(64, bytes, DecoderOptions::NONE).decode());
    }
    factory
}

/// The longest instruction (Intel SDM volume 2, "Instruction Format").
const LONGEST: usize = 15;

/// The interrupted thread.
#[expect(missing_debug_implementations, reason = "it holds a closure")]
pub struct Interrupted<'thread> {
    /// Its frame.
    pub frame: &'thread TrapFrame,
    /// Where FS begins.
    pub fs_base: u64,
    /// Where GS begins.
    pub gs_base: u64,
    /// Reads the program's memory; `false` if any byte is not mapped.
    pub read: &'thread dyn Fn(u64, &mut [u8]) -> bool,
}

/// What the decoder can be asked.
pub type Question<Answer> = fn(&mut InstructionInfoFactory, &Interrupted<'_>) -> Option<Answer>;

/// How memory was accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Execute,
    Load,
    Store,
}

/// Whether the address is canonical with 48 bits.
const fn is_canonical(address: u64) -> bool {
    let upper = (address as i64) >> 47;
    upper == 0 || upper == -1
}

/// The access to memory that cannot exist, if that is what the fault is about: its trap number and address.
pub fn invalid(factory: &mut InstructionInfoFactory, thread: &Interrupted<'_>) -> Option<(TrapNumber, u64)> {
    let (kind, address) = find(factory, thread, |address, _| !is_canonical(address))?;
    let number = match kind {
        Kind::Execute => TrapNumber::INVALID_MEMORY_EXECUTION,
        Kind::Load => TrapNumber::INVALID_MEMORY_LOAD,
        Kind::Store => TrapNumber::INVALID_MEMORY_STORE,
    };
    Some((number, address))
}

/// The unaligned access that the fault is about: its trap number and address.
pub fn unaligned(factory: &mut InstructionInfoFactory, thread: &Interrupted<'_>) -> Option<(TrapNumber, u64)> {
    let (kind, address) = find(factory, thread, |address, size| size > 1 && !address.is_multiple_of(size as u64))?;
    let number = match kind {
        Kind::Execute => TrapNumber::UNALIGNED_INSTRUCTION,
        Kind::Load => TrapNumber::UNALIGNED_LOAD,
        Kind::Store => TrapNumber::UNALIGNED_STORE,
    };
    Some((number, address))
}

/// The first access of the interrupted instruction that `is_guilty`, given address and size in bytes.
fn find(
    factory: &mut InstructionInfoFactory,
    thread: &Interrupted<'_>,
    is_guilty: impl Fn(u64, usize) -> bool,
) -> Option<(Kind, u64)> {
    let start = thread.frame.instruction_pointer();
    if is_guilty(start, 1) {
        return Some((Kind::Execute, start));
    }
    let instruction = instruction(start, thread)?;
    if let Some(target) = branch_target(&instruction, thread)
        && is_guilty(target, 1)
    {
        return Some((Kind::Execute, target));
    }
    let info = factory.info(&instruction);
    info.used_memory().iter().find_map(|memory| {
        let kind = match memory.access() {
            OpAccess::Read | OpAccess::CondRead => Kind::Load,
            OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite => Kind::Store,
            OpAccess::None | OpAccess::NoMemAccess => return None,
        };
        let address = memory.virtual_address(0, |register, _, _| register_value(register, thread))?;
        is_guilty(address, memory.memory_size().size()).then_some((kind, address))
    })
}

/// The interrupted instruction; `None` if it cannot be read, or is none.
///
/// A page behind the one where it begins is read only if the instruction goes on there: the processor has read no more.
fn instruction(start: u64, thread: &Interrupted<'_>) -> Option<Instruction> {
    let in_first_page = usize::try_from(PAGE_SIZE - start % PAGE_SIZE).map_or(LONGEST, |length| length.min(LONGEST));
    let mut bytes = [0; LONGEST];
    let mut decode = |longest: usize| {
        let length = (1..=longest).rev().find(|length| (thread.read)(start, &mut bytes[..*length]))?;
        let mut decoder = Decoder::with_ip(64, &bytes[..length], start, DecoderOptions::NONE);
        Some((decoder.decode(), decoder.last_error()))
    };
    let (mut instruction, mut error) = decode(in_first_page)?;
    if error == DecoderError::NoMoreBytes && in_first_page < LONGEST {
        (instruction, error) = decode(LONGEST)?;
    }
    (error == DecoderError::None).then_some(instruction)
}

/// Where a branch through a register, memory or the stack leads, a far one and `iretq` included: those with a target of 64 bits,
/// as others lead nowhere that cannot exist. Branches through memory are told by their load, if that faults; else the target is
/// read.
fn branch_target(instruction: &Instruction, thread: &Interrupted<'_>) -> Option<u64> {
    let read_word = |address: u64| {
        let mut word = [0; 8];
        (thread.read)(address, &mut word).then(|| u64::from_le_bytes(word))
    };
    match instruction.code() {
        Code::Jmp_rm64 | Code::Call_rm64 => match instruction.op0_kind() {
            OpKind::Register => register_value(instruction.op0_register(), thread),
            _ => read_word(instruction.virtual_address(0, 0, |register, _, _| register_value(register, thread))?),
        },
        Code::Jmp_m1664 | Code::Call_m1664 => {
            read_word(instruction.virtual_address(0, 0, |register, _, _| register_value(register, thread))?)
        }
        Code::Retnq | Code::Retnq_imm16 | Code::Retfq | Code::Retfq_imm16 | Code::Iretq => {
            read_word(thread.frame.stack_pointer())
        }
        _ => None,
    }
}

/// A register of the interrupted thread; segment registers stand for their bases.
fn register_value(register: Register, thread: &Interrupted<'_>) -> Option<u64> {
    let general = &thread.frame.general;
    let full = match register.full_register() {
        Register::RAX => general.rax,
        Register::RBX => general.rbx,
        Register::RCX => general.rcx,
        Register::RDX => general.rdx,
        Register::RSI => general.rsi,
        Register::RDI => general.rdi,
        Register::RBP => general.rbp,
        Register::RSP => thread.frame.stack_pointer(),
        Register::R8 => general.r8,
        Register::R9 => general.r9,
        Register::R10 => general.r10,
        Register::R11 => general.r11,
        Register::R12 => general.r12,
        Register::R13 => general.r13,
        Register::R14 => general.r14,
        Register::R15 => general.r15,
        Register::RIP => thread.frame.instruction_pointer(),
        Register::FS => thread.fs_base,
        Register::GS => thread.gs_base,
        Register::CS | Register::DS | Register::ES | Register::SS => 0,
        _ => return None,
    };
    match register.size() {
        4 => Some(full & 0xffff_ffff),
        2 if register.is_gpr() => Some(full & 0xffff),
        1 => Some(full & 0xff),
        _ => Some(full),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLE: u64 = 0x0000_8000_0000_0000;
    const CODE: u64 = 0x40_0000;

    fn ask(
        question: fn(&mut InstructionInfoFactory, &Interrupted<'_>) -> Option<(TrapNumber, u64)>,
        code: &[u8],
        change: impl FnOnce(&mut TrapFrame),
    ) -> Option<(TrapNumber, u64)> {
        let mut frame = TrapFrame::recorded(13, 0, 0x23, CODE);
        change(&mut frame);
        // Only the instruction itself is mapped.
        let read = |address: u64, target: &mut [u8]| {
            let Some(offset) = address.checked_sub(CODE) else { return false };
            let Some(source) = code.get(offset as usize..offset as usize + target.len()) else { return false };
            target.copy_from_slice(source);
            true
        };
        let thread = Interrupted { frame: &frame, fs_base: 0x1000, gs_base: HOLE, read: &read };
        question(&mut InstructionInfoFactory::new(), &thread)
    }

    #[test]
    fn loads_and_stores_of_non_canonical_addresses_are_told_apart() {
        let set = |frame: &mut TrapFrame| frame.general.rax = HOLE;
        // mov rbx, [rax + 8]; mov [rax + 8], rbx; add [rax], ebx
        assert_eq!(ask(invalid, &[0x48, 0x8b, 0x58, 8], set), Some((TrapNumber::INVALID_MEMORY_LOAD, HOLE + 8)));
        assert_eq!(ask(invalid, &[0x48, 0x89, 0x58, 8], set), Some((TrapNumber::INVALID_MEMORY_STORE, HOLE + 8)));
        assert_eq!(ask(invalid, &[0x01, 0x18], set), Some((TrapNumber::INVALID_MEMORY_STORE, HOLE)));
    }

    #[test]
    fn segment_bases_count() {
        // mov rbx, gs:[rax]: GS has a base in the hole; the same through FS is about nothing.
        let set = |frame: &mut TrapFrame| frame.general.rax = 0x10;
        let gs = [0x65, 0x48, 0x8b, 0x18];
        assert_eq!(ask(invalid, &gs, set), Some((TrapNumber::INVALID_MEMORY_LOAD, HOLE + 0x10)));
        assert_eq!(ask(invalid, &[0x64, 0x48, 0x8b, 0x18], set), None);
    }

    #[test]
    fn branches_to_nowhere_are_executions() {
        let set = |frame: &mut TrapFrame| frame.general.rax = HOLE;
        assert_eq!(ask(invalid, &[0xff, 0xe0], set), Some((TrapNumber::INVALID_MEMORY_EXECUTION, HOLE)));
        assert_eq!(ask(invalid, &[0xff, 0xd0], set), Some((TrapNumber::INVALID_MEMORY_EXECUTION, HOLE)));
        // `ret`, `ret 8`, `retfq`, `retfq 8`, `iretq`, with the target on the stack; far jump and call through [rax].
        for code in [&[0xc3][..], &[0xc2, 8, 0], &[0x48, 0xcb], &[0x48, 0xca, 8, 0], &[0x48, 0xcf]] {
            let with_target = [code, &HOLE.to_le_bytes()].concat();
            let set = |frame: &mut TrapFrame| frame.set_stack_pointer_unchecked(CODE + code.len() as u64);
            assert_eq!(
                ask(invalid, &with_target, set),
                Some((TrapNumber::INVALID_MEMORY_EXECUTION, HOLE)),
                "{code:x?}"
            );
        }
        for code in [[0x48, 0xff, 0x28], [0x48, 0xff, 0x18]] {
            let with_target = [&code[..], &HOLE.to_le_bytes(), &[0x23, 0]].concat();
            let set = |frame: &mut TrapFrame| frame.general.rax = CODE + 3;
            assert_eq!(
                ask(invalid, &with_target, set),
                Some((TrapNumber::INVALID_MEMORY_EXECUTION, HOLE)),
                "{code:x?}"
            );
        }
        // A processor that reports the target itself.
        let mut arrived = TrapFrame::recorded(13, 0, 0x23, HOLE);
        arrived.general.rax = 1;
        let thread = Interrupted { frame: &arrived, fs_base: 0, gs_base: 0, read: &|_, _| false };
        let answer = invalid(&mut InstructionInfoFactory::new(), &thread);
        assert_eq!(answer, Some((TrapNumber::INVALID_MEMORY_EXECUTION, HOLE)));
    }

    /// A page that the instruction does not reach may be swapped out, and would have to be swapped in for nothing.
    #[test]
    fn no_page_behind_the_instruction_is_read() {
        for (rip, pages) in [(CODE + PAGE_SIZE - 4, 1), (CODE + PAGE_SIZE - 3, 2), (CODE + PAGE_SIZE - 1, 2)] {
            let mut frame = TrapFrame::recorded(13, 0, 0x23, rip);
            frame.general.rax = HOLE;
            let last_page = core::cell::Cell::new(0);
            // mov rbx, [rax + 8], and nops behind it.
            let read = |address: u64, target: &mut [u8]| {
                last_page.set(last_page.get().max((address + target.len() as u64 - 1) / PAGE_SIZE));
                for (byte, place) in target.iter_mut().zip(address..) {
                    *byte = [0x48, 0x8b, 0x58, 8].get((place - rip) as usize).copied().unwrap_or(0x90);
                }
                true
            };
            let thread = Interrupted { frame: &frame, fs_base: 0, gs_base: 0, read: &read };
            let answer = invalid(&mut InstructionInfoFactory::new(), &thread);
            assert_eq!(answer, Some((TrapNumber::INVALID_MEMORY_LOAD, HOLE + 8)), "{rip:#x}");
            assert_eq!(last_page.get() - CODE / PAGE_SIZE + 1, pages, "{rip:#x}");
        }
    }

    #[test]
    fn privileged_and_undecodable_instructions_access_nothing() {
        assert_eq!(ask(invalid, &[0xf4], |_| ()), None, "hlt");
        assert_eq!(ask(invalid, &[0x0f, 0x20, 0xd8], |_| ()), None, "mov rax, cr3");
        assert_eq!(ask(invalid, &[0x06], |_| ()), None, "push es is gone");
        assert_eq!(ask(invalid, &[], |_| ()), None, "unmapped");
    }

    #[test]
    fn pushes_with_a_bad_stack_pointer_are_stores() {
        let set = |frame: &mut TrapFrame| frame.set_stack_pointer_unchecked(HOLE + 8);
        assert_eq!(ask(invalid, &[0x50], set), Some((TrapNumber::INVALID_MEMORY_STORE, HOLE)));
        assert_eq!(ask(invalid, &[0x58], set), Some((TrapNumber::INVALID_MEMORY_LOAD, HOLE + 8)));
    }

    #[test]
    fn unaligned_accesses_are_found_by_size() {
        let set = |frame: &mut TrapFrame| frame.general.rax = 0x1001;
        assert_eq!(ask(unaligned, &[0x8b, 0x18], set), Some((TrapNumber::UNALIGNED_LOAD, 0x1001)));
        assert_eq!(ask(unaligned, &[0x89, 0x18], set), Some((TrapNumber::UNALIGNED_STORE, 0x1001)));
        assert_eq!(ask(unaligned, &[0x8a, 0x18], set), None, "a byte is always aligned");
    }
}
