//! Unaligned accesses: #AC, whose instruction tells whether it was a load or a store.

use crate::arch::{Frame as TrapFrame, TrapInfo};
use crate::cpu::ThisCpu;
use crate::entry::policy;
use crate::sched::Next;

/// An instruction at an address that its alignment forbids. x86-64 has no such instruction: a frame that says so is a fault
/// like any other.
pub(super) fn unaligned_instruction_handler(cpu: &ThisCpu, info: &TrapInfo, frame: &mut TrapFrame) -> Next {
    policy::decoded_exception(cpu, info, frame)
}

/// A load, or an access of which nothing else could be found out.
pub(super) fn unaligned_load_handler(cpu: &ThisCpu, info: &TrapInfo, frame: &mut TrapFrame) -> Next {
    policy::decoded_exception(cpu, info, frame)
}

/// A store, or a load and a store in one.
pub(super) fn unaligned_store_handler(cpu: &ThisCpu, info: &TrapInfo, frame: &mut TrapFrame) -> Next {
    policy::decoded_exception(cpu, info, frame)
}
