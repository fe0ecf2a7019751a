//! What an executed instruction is and touches.

use iced_x86::{Code, Decoder, DecoderOptions, FastFormatter, Instruction, InstructionInfoFactory, Mnemonic, OpAccess};

use super::trace::Step;

/// Bytes of a cache line on every x86-64 processor so far.
pub const LINE_BYTES: u64 = 64;

/// Kinds of instructions that cost more on a processor than their number tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Kinds {
    /// Serialising (Intel SDM volume 3, "Serializing Instructions"), and LFENCE, which waits for what is before it.
    pub serialising: u64,
    /// RDMSR and WRMSR.
    pub msr: u64,
    /// SWAPGS.
    pub swapgs: u64,
    /// Locked read-modify-writes, XCHG with memory included.
    pub locked: u64,
}

impl Kinds {
    /// The sum of both.
    pub fn and(self, other: Self) -> Self {
        Self {
            serialising: self.serialising + other.serialising,
            msr: self.msr + other.msr,
            swapgs: self.swapgs + other.swapgs,
            locked: self.locked + other.locked,
        }
    }
}

/// Bytes of memory that an instruction accesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// The first address.
    pub address: u64,
    /// How many bytes.
    pub bytes: u64,
    /// Whether they are, or may be, written.
    pub write: bool,
}

impl Access {
    /// The numbers of the cache lines.
    pub fn lines(self) -> impl Iterator<Item = u64> {
        self.address / LINE_BYTES..=self.address.saturating_add(self.bytes.max(1) - 1) / LINE_BYTES
    }
}

/// The instruction of a step.
pub fn decode(step: &Step) -> Instruction {
    Decoder::with_ip(64, &step.bytes, step.registers.instruction_pointer, DecoderOptions::NONE).decode()
}

/// Its kinds.
pub fn kinds(instruction: &Instruction) -> Kinds {
    let serialising = matches!(
        instruction.mnemonic(),
        Mnemonic::Iret
            | Mnemonic::Iretd
            | Mnemonic::Iretq
            | Mnemonic::Cpuid
            | Mnemonic::Wrmsr
            | Mnemonic::Invlpg
            | Mnemonic::Invpcid
            | Mnemonic::Invd
            | Mnemonic::Wbinvd
            | Mnemonic::Lgdt
            | Mnemonic::Lidt
            | Mnemonic::Lldt
            | Mnemonic::Ltr
            | Mnemonic::Rsm
            | Mnemonic::Serialize
            | Mnemonic::Lfence
    ) || matches!(instruction.code(), Code::Mov_cr_r64 | Code::Mov_dr_r64);
    let exchange = instruction.mnemonic() == Mnemonic::Xchg
        && (0..instruction.op_count()).any(|operand| instruction.op_kind(operand) == iced_x86::OpKind::Memory);
    Kinds {
        serialising: u64::from(serialising),
        msr: u64::from(matches!(instruction.mnemonic(), Mnemonic::Rdmsr | Mnemonic::Wrmsr)),
        swapgs: u64::from(instruction.mnemonic() == Mnemonic::Swapgs),
        locked: u64::from(instruction.has_lock_prefix() || exchange),
    }
}

/// The memory that a step accesses, its own bytes not counted.
///
/// What the processor itself pushes at a trap is not here: see [`super::path`].
pub fn accesses(step: &Step, instruction: &Instruction, factory: &mut InstructionInfoFactory) -> Vec<Access> {
    let information = factory.info(instruction);
    let mut accesses = Vec::new();
    for memory in information.used_memory() {
        let write = match memory.access() {
            OpAccess::Read | OpAccess::CondRead => false,
            OpAccess::None | OpAccess::NoMemAccess => continue,
            _ => true,
        };
        let Some(address) = memory.virtual_address(0, |register, _, _| step.registers.value(register)) else {
            continue;
        };
        accesses.push(Access { address, bytes: memory.memory_size().size() as u64, write });
    }
    accesses
}

/// The instruction in words, without addresses of its own.
pub fn text(instruction: &Instruction) -> String {
    let mut text = String::new();
    let mut formatter = FastFormatter::new();
    formatter.options_mut().set_use_hex_prefix(true);
    formatter.format(instruction, &mut text);
    text
}

/// Its mnemonic in lower case.
pub fn mnemonic(instruction: &Instruction) -> String {
    format!("{:?}", instruction.mnemonic()).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registers::Registers;
    use crate::trace::LONGEST_INSTRUCTION;

    fn step(code: &[u8]) -> Step {
        let mut bytes = [0; LONGEST_INSTRUCTION];
        bytes[..code.len()].copy_from_slice(code);
        let registers = Registers { instruction_pointer: 0x1000, ..Registers::default() };
        Step { cpu: 0, registers, bytes }
    }

    fn kinds_of(code: &[u8]) -> Kinds {
        kinds(&decode(&step(code)))
    }

    #[test]
    fn dear_instructions_are_known() {
        let none = Kinds::default();
        assert_eq!(kinds_of(&[0x90]), none);
        assert_eq!(kinds_of(&[0x0f, 0x01, 0xf8]), Kinds { swapgs: 1, ..none });
        assert_eq!(kinds_of(&[0x0f, 0x32]), Kinds { msr: 1, ..none });
        assert_eq!(kinds_of(&[0x0f, 0x30]), Kinds { msr: 1, serialising: 1, ..none });
        assert_eq!(kinds_of(&[0x48, 0xcf]), Kinds { serialising: 1, ..none });
        assert_eq!(kinds_of(&[0x0f, 0xae, 0xe8]), Kinds { serialising: 1, ..none });
        // mov cr3, rax; mov rax, cr3
        assert_eq!(kinds_of(&[0x0f, 0x22, 0xd8]), Kinds { serialising: 1, ..none });
        assert_eq!(kinds_of(&[0x0f, 0x20, 0xd8]), none);
        // lock inc dword ptr [rax]; xchg [rax], ecx; xchg eax, ecx
        assert_eq!(kinds_of(&[0xf0, 0xff, 0x00]), Kinds { locked: 1, ..none });
        assert_eq!(kinds_of(&[0x87, 0x08]), Kinds { locked: 1, ..none });
        assert_eq!(kinds_of(&[0x91]), none);
    }

    #[test]
    fn accesses_have_their_addresses() {
        let mut factory = InstructionInfoFactory::new();
        let mut of = |code: &[u8]| {
            let step = step(code);
            accesses(&step, &decode(&step), &mut factory)
        };
        // push rax, with RSP 0
        assert_eq!(of(&[0x50]), [Access { address: 0_u64.wrapping_sub(8), bytes: 8, write: true }]);
        // mov eax, [rip + 0x10]
        assert_eq!(of(&[0x8b, 0x05, 0x10, 0, 0, 0]), [Access { address: 0x1016, bytes: 4, write: false }]);
        // add dword ptr gs:[0x40], 1
        let written = Access { address: 0x40, bytes: 4, write: true };
        assert_eq!(of(&[0x65, 0x83, 0x04, 0x25, 0x40, 0, 0, 0, 1]), [written]);
        // lea rax, [rax]
        assert!(of(&[0x48, 0x8d, 0x00]).is_empty());
    }

    #[test]
    fn an_access_over_the_edge_has_two_lines() {
        let lines: Vec<u64> = Access { address: 60, bytes: 8, write: false }.lines().collect();
        assert_eq!(lines, [0, 1]);
    }
}
