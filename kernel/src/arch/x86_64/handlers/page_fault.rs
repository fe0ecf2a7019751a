//! Page faults: the error code tells the access, CR2 the address.

use x86_64::registers::control::Cr2;

use super::exception::plain_exception;
use crate::arch::x86_64::decode::page_fault_number;
use crate::arch::x86_64::frame::TrapFrame;
use crate::arch::x86_64::vectors;
use crate::cpu::ThisCpu;
use crate::memory::Rights;
use crate::sched::Next;
use crate::trap::{self, TrapInfo};

/// The vector of all page faults. The short way is the same for the three: a message to a handler that waits.
pub(super) extern "C" fn page_fault(frame: *mut TrapFrame) -> *const TrapFrame {
    plain_exception(frame, vectors::PAGE_FAULT, |frame| {
        // CR2 is the CPU's until its next page fault, and the kernel takes none between entry and this.
        (page_fault_number(frame.error_code()), Cr2::read_raw())
    })
}

/// The fetch of an instruction.
pub(super) fn execution_page_fault_handler(cpu: &ThisCpu, info: &TrapInfo, frame: &mut TrapFrame) -> Next {
    trap::page_fault(cpu, info, frame, Rights::can_execute)
}

/// A load. Whatever is mapped may be loaded from.
pub(super) fn load_page_fault_handler(cpu: &ThisCpu, info: &TrapInfo, frame: &mut TrapFrame) -> Next {
    trap::page_fault(cpu, info, frame, |_| true)
}

/// A store, or a load and a store in one.
pub(super) fn store_page_fault_handler(cpu: &ThisCpu, info: &TrapInfo, frame: &mut TrapFrame) -> Next {
    trap::page_fault(cpu, info, frame, Rights::can_write)
}
