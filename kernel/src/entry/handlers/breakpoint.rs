//! What stops a thread for a debugger: #BP, and #DB with steps, hardware breakpoints and watchpoints.

use gatehouse_abi::TrapNumber;

use super::exception::{exception_counted, plain_fault};
use crate::arch::{Frame as TrapFrame, Origin, TrapFrame as _, TrapInfo, vectors};
use crate::cpu::{self, ThisCpu};
use crate::entry::policy;
use crate::sched::Next;

/// The vector of `int3`: from ring 3 the fast path to a debugger that waits.
pub(super) extern "C" fn breakpoint(frame: *mut TrapFrame) -> *const TrapFrame {
    cpu::this().entries().count(usize::from(vectors::BREAKPOINT));
    // SAFETY: as in `handle`.
    if unsafe { &*frame }.origin() == Origin::Kernel {
        return exception_counted(frame);
    }
    plain_fault(frame, TrapNumber::BREAKPOINT, 0, false)
}

/// `int3`.
pub(super) fn breakpoint_handler(cpu: &ThisCpu, info: &TrapInfo, frame: &mut TrapFrame) -> Next {
    policy::debug_exception(cpu, info, frame)
}

/// #DB. In a program it goes the same way. In the kernel it is a program's data breakpoint or single step that `MOV SS`
/// delayed into the entry: it is over, and the thread is not told. What DR6 does not name is a fault: nothing of the kernel
/// is debugged by #DB.
pub(in crate::entry) fn debug_handler(cpu: &ThisCpu, info: &TrapInfo, frame: &mut TrapFrame) -> Next {
    if frame.origin() == Origin::Kernel && frame.error_code() != 0 {
        return Next::Stay;
    }
    policy::debug_exception(cpu, info, frame)
}
