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

/// The one address by which a trap is told, whoever tells it: what was accessed, or where the error was. For a trap about no address, that
/// of the instruction.
#[must_use]
pub const fn trap_address(info: &TrapInfo, instruction_pointer: u64) -> u64 {
    if info.number.concerns_address() || info.address != 0 { info.address } else { instruction_pointer }
}

/// The address of the instruction that caused the trap. After a breakpoint instruction: of the one behind it.
#[must_use]
pub fn faulting_instruction_address(frame: &Frame) -> u64 {
    frame.instruction_pointer()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Origin;

    #[test]
    fn each_address_is_told_for_its_traps_alone() {
        const ADDRESS: u64 = 0x1234_5001;
        for number in TrapNumber::ALL.iter().copied() {
            let info = TrapInfo {
                number,
                vector: 0,
                origin: Origin::User,
                description: number.description(),
                address: ADDRESS,
            };
            let told = [unaligned_access_address, invalid_memory_access_address, page_fault_access_address]
                .map(|address| address(&info) == ADDRESS);
            let expected = [0..=2, 8..=10, 16..=18].map(|numbers| numbers.contains(&number.to_bits()));
            assert_eq!(told, expected, "{number:?}");
            assert_eq!(number.concerns_address(), expected.contains(&true), "{number:?}");
        }
    }

    #[test]
    fn a_trap_about_no_address_is_told_by_that_of_its_instruction() {
        let told = |number: TrapNumber, address| {
            let info = TrapInfo { number, vector: 0, origin: Origin::User, description: "", address };
            trap_address(&info, 0x40_1000)
        };
        for number in TrapNumber::ALL.iter().copied() {
            assert_eq!(told(number, 0x7000), 0x7000, "{number:?}");
            assert_eq!(told(number, 0), if number.concerns_address() { 0 } else { 0x40_1000 }, "{number:?}");
        }
    }

    #[test]
    fn the_faulting_instruction_is_where_the_frame_goes_on() {
        let frame = Frame::recorded(14, 0, 0x23, 0x40_1000);
        assert_eq!(faulting_instruction_address(&frame), 0x40_1000);
    }
}
