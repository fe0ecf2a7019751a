//! From a frame to a trap number and an address. Pure: what it needs of the processor and of memory it is given.

use gatehouse_abi::TrapNumber;

use super::access::{self, Question};
use super::frame::TrapFrame;
use super::vectors;

/// What was found out about an access.
pub type Accessed = (TrapNumber, u64);

/// Refines `number`, which vector and error code have given, and tells the address that was accessed; 0 for none.
///
/// `fault_address` reads CR2; `ask` puts a question about the instruction that the frame is at.
#[inline(always)]
pub fn classify(
    number: TrapNumber,
    frame: &TrapFrame,
    fault_address: impl FnOnce() -> u64,
    ask: impl FnOnce(Question<Accessed>) -> Option<Accessed>,
) -> Accessed {
    match frame.vector() as u8 {
        vectors::PAGE_FAULT | vectors::DOUBLE_FAULT => (number, fault_address()),
        // The processor says neither what was accessed nor how: the instruction does.
        vectors::GENERAL_PROTECTION | vectors::STACK_FAULT if frame.error_code() == 0 => {
            ask(access::invalid).unwrap_or((number, 0))
        }
        vectors::ALIGNMENT_CHECK => ask(access::unaligned).unwrap_or((number, 0)),
        _ => (number, 0),
    }
}
