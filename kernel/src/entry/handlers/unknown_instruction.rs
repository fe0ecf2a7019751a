//! Instructions that the processor does not know: #UD.

use gatehouse_abi::TrapNumber;

use super::exception::{exception_counted, plain_fault};
use crate::arch::{Frame as TrapFrame, Origin, TrapFrame as _, TrapInfo, vectors};
use crate::cpu::{self, ThisCpu};
use crate::entry::policy;
use crate::sched::Next;

/// The vector of undefined instructions: from ring 3 the fast path to a handler that waits.
pub(super) extern "C" fn invalid_opcode(frame: *mut TrapFrame) -> *const TrapFrame {
    cpu::this().entries().count(usize::from(vectors::INVALID_OPCODE));
    // SAFETY: as in `handle`.
    if unsafe { &*frame }.origin() == Origin::Kernel {
        return exception_counted(frame);
    }
    plain_fault(frame, TrapNumber::UNKNOWN_INSTRUCTION, 0, false)
}

/// An instruction that does not exist here.
pub(super) fn unknown_instruction_handler(cpu: &ThisCpu, info: &TrapInfo, frame: &mut TrapFrame) -> Next {
    policy::exception(cpu, info, frame)
}
