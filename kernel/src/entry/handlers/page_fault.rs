//! Page faults: the error code tells the access, CR2 the address.

use gatehouse_abi::TrapNumber;
use gatehouse_core::memory::Rights;
use x86_64::registers::control::Cr2;

use super::exception::Fault;
use crate::arch::{Frame as TrapFrame, TrapInfo, page_fault_number, vectors};
use crate::cpu::ThisCpu;
use crate::entry::policy;
use crate::sched::Next;

/// All page faults. The fast path is the same for the three: a message to a handler that waits.
pub(super) struct PageFault;

impl Fault for PageFault {
    const VECTOR: u8 = vectors::PAGE_FAULT;
    const ABOUT_MEMORY: bool = true;

    #[inline(always)]
    fn number(frame: &TrapFrame) -> TrapNumber {
        page_fault_number(frame.error_code())
    }

    #[inline(always)]
    fn address() -> u64 {
        // CR2 is the CPU's until its next page fault, and the kernel takes none between entry and this.
        Cr2::read_raw()
    }
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
