//! What stops a thread for a debugger: #BP, and #DB with steps, hardware breakpoints and watchpoints.

use gatehouse_abi::TrapNumber;

use super::exception::Fault;
use crate::arch::{Frame as TrapFrame, TrapInfo, vectors};
use crate::cpu::ThisCpu;
use crate::entry::policy;
use crate::sched::Next;

/// `int3`.
pub(super) struct Breakpoint;

impl Fault for Breakpoint {
    const VECTOR: u8 = vectors::BREAKPOINT;
    const ABOUT_MEMORY: bool = false;

    #[inline(always)]
    fn number(_frame: &TrapFrame) -> TrapNumber {
        TrapNumber::BREAKPOINT
    }

    #[inline(always)]
    fn address() -> u64 {
        0
    }
}

/// `int3`.
pub(super) fn breakpoint_handler(cpu: &ThisCpu, info: &TrapInfo, frame: &mut TrapFrame) -> Next {
    policy::debug_exception(cpu, info, frame)
}

/// #DB of a program, by the same policy. One in the kernel that is none of its own is over before this: see
/// [`crate::arch::ArchTrap::handle_exception`].
pub(super) fn debug_handler(cpu: &ThisCpu, info: &TrapInfo, frame: &mut TrapFrame) -> Next {
    policy::debug_exception(cpu, info, frame)
}
