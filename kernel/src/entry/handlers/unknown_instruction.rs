//! Instructions that the processor does not know: #UD.

use gatehouse_abi::TrapNumber;

use super::exception::plain_fault;
use crate::arch::{Frame as TrapFrame, TrapInfo, vectors};
use crate::cpu::{self, ThisCpu};
use crate::entry::policy;
use crate::sched::Next;

/// The vector of undefined instructions, in ring 3, unless they are passed.
pub(super) extern "C" fn invalid_opcode_in_program(frame: *mut TrapFrame) -> *const TrapFrame {
    cpu::this().entries().count(usize::from(vectors::INVALID_OPCODE));
    plain_fault::<false>(frame, TrapNumber::UNKNOWN_INSTRUCTION, 0)
}

/// An instruction that does not exist here.
pub(super) fn unknown_instruction_handler(cpu: &ThisCpu, info: &TrapInfo, frame: &mut TrapFrame) -> Next {
    policy::exception(cpu, info, frame)
}
