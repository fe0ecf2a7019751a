//! Instructions that the processor does not know: #UD.

use gatehouse_abi::TrapNumber;

use super::exception::Fault;
use crate::arch::{Frame as TrapFrame, TrapInfo, vectors};
use crate::cpu::ThisCpu;
use crate::entry::policy;
use crate::sched::Next;

/// Undefined instructions.
pub(super) struct UnknownInstruction;

impl Fault for UnknownInstruction {
    const VECTOR: u8 = vectors::INVALID_OPCODE;
    const ABOUT_MEMORY: bool = false;

    #[inline(always)]
    fn number(_frame: &TrapFrame) -> TrapNumber {
        TrapNumber::UNKNOWN_INSTRUCTION
    }

    #[inline(always)]
    fn address() -> u64 {
        0
    }
}

/// An instruction that does not exist here.
pub(super) fn unknown_instruction_handler(cpu: &ThisCpu, info: &TrapInfo, frame: &mut TrapFrame) -> Next {
    policy::exception(cpu, info, frame)
}
