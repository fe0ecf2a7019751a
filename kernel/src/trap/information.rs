//! What a trap's handler may ask, whatever the processor. The processor's part was done when the [`TrapInfo`] was made.

use gatehouse_abi::TrapNumber;

use super::{TrapFrame, TrapInfo};
use crate::arch::Frame;

/// The address whose access caused the page fault; 0 for any other trap.
#[must_use]
pub const fn page_fault_access_address(info: &TrapInfo) -> u64 {
    match info.number {
        TrapNumber::EXECUTION_PAGE_FAULT | TrapNumber::LOAD_PAGE_FAULT | TrapNumber::STORE_PAGE_FAULT => info.address,
        _ => 0,
    }
}

/// The address of the access to invalid memory; 0 for any other trap.
#[must_use]
pub const fn invalid_memory_access_address(info: &TrapInfo) -> u64 {
    match info.number {
        TrapNumber::INVALID_MEMORY_EXECUTION | TrapNumber::INVALID_MEMORY_LOAD | TrapNumber::INVALID_MEMORY_STORE => {
            info.address
        }
        _ => 0,
    }
}

/// The address of the unaligned access; 0 for any other trap.
#[must_use]
pub const fn unaligned_access_address(info: &TrapInfo) -> u64 {
    match info.number {
        TrapNumber::UNALIGNED_INSTRUCTION | TrapNumber::UNALIGNED_LOAD | TrapNumber::UNALIGNED_STORE => info.address,
        _ => 0,
    }
}

/// The address of the instruction that caused the trap. After a breakpoint instruction: of the one behind it.
#[must_use]
pub fn faulting_instruction_address(frame: &Frame) -> u64 {
    frame.instruction_pointer()
}
