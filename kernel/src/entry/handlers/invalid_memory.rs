//! Accesses to memory that cannot exist, and what else the processor raises #GP and #SS for: the instruction tells.

use crate::arch::{Frame as TrapFrame, TrapInfo};
use crate::cpu::ThisCpu;
use crate::entry::policy;
use crate::sched::Next;

/// A jump, call or return to a non-canonical address.
pub(super) fn execution_of_invalid_memory_handler(cpu: &ThisCpu, info: &TrapInfo, frame: &mut TrapFrame) -> Next {
    policy::decoded_exception(cpu, info, frame)
}

/// A load from a non-canonical address.
pub(super) fn load_of_invalid_memory_handler(cpu: &ThisCpu, info: &TrapInfo, frame: &mut TrapFrame) -> Next {
    policy::decoded_exception(cpu, info, frame)
}

/// A store to a non-canonical address, or a load and a store in one.
pub(super) fn store_of_invalid_memory_handler(cpu: &ThisCpu, info: &TrapInfo, frame: &mut TrapFrame) -> Next {
    policy::decoded_exception(cpu, info, frame)
}

/// What the processor forbids for another reason than an address: a privileged instruction, a bad selector, a closed gate; or
/// an instruction that could not be read.
pub(super) fn protection_violation_handler(cpu: &ThisCpu, info: &TrapInfo, frame: &mut TrapFrame) -> Next {
    policy::decoded_exception(cpu, info, frame)
}
