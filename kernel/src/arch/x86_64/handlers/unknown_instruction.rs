//! Instructions that the processor does not know: #UD.

use gatehouse_abi::TrapNumber;

use super::exception::plain_exception;
use crate::arch::x86_64::frame::TrapFrame;
use crate::arch::x86_64::vectors;
use crate::cpu::ThisCpu;
use crate::sched::Next;
use crate::trap::{self, TrapInfo};

/// The vector: the short way to a handler that waits.
pub(super) extern "C" fn invalid_opcode(frame: *mut TrapFrame) -> *const TrapFrame {
    plain_exception(frame, vectors::INVALID_OPCODE, |_| (TrapNumber::UNKNOWN_INSTRUCTION, 0))
}

/// An instruction that does not exist here.
pub(super) fn unknown_instruction_handler(cpu: &ThisCpu, info: &TrapInfo, frame: &mut TrapFrame) -> Next {
    trap::exception(cpu, info, frame)
}
