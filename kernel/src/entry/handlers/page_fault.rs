//! Page faults: the error code tells the access, CR2 the address.

use gatehouse_core::memory::Rights;
use x86_64::registers::control::Cr2;

use super::exception::{exception_counted, plain_fault};
use crate::arch::{Frame as TrapFrame, Origin, TrapFrame as _, TrapInfo, page_fault_number, vectors};
use crate::cpu::{self, ThisCpu};
use crate::entry::policy;
use crate::sched::Next;

/// The vector of all page faults. The short way is the same for the three: a message to a handler that waits.
pub(super) extern "C" fn page_fault(frame: *mut TrapFrame) -> *const TrapFrame {
    cpu::this().entries().count(usize::from(vectors::PAGE_FAULT));
    // SAFETY: as in `handle`.
    let saved = unsafe { &*frame };
    if saved.origin() == Origin::Kernel {
        return exception_counted(frame);
    }
    // CR2 is the CPU's until its next page fault, and the kernel takes none between entry and this.
    plain_fault(frame, page_fault_number(saved.error_code()), Cr2::read_raw(), true)
}

/// The fetch of an instruction.
pub(super) fn execution_page_fault_handler(cpu: &ThisCpu, info: &TrapInfo, frame: &mut TrapFrame) -> Next {
    policy::page_fault(cpu, info, frame, Rights::can_execute)
}

/// A load. Whatever is mapped may be loaded from.
pub(super) fn load_page_fault_handler(cpu: &ThisCpu, info: &TrapInfo, frame: &mut TrapFrame) -> Next {
    policy::page_fault(cpu, info, frame, |_| true)
}

/// A store, or a load and a store in one.
pub(super) fn store_page_fault_handler(cpu: &ThisCpu, info: &TrapInfo, frame: &mut TrapFrame) -> Next {
    policy::page_fault(cpu, info, frame, Rights::can_write)
}
