//! The trap as its handlers want to hear of it: from the number that the vector gives to what has been found out.

use gatehouse_abi::TrapNumber;
use x86_64::registers::control::Cr2;

use super::access_context;
use crate::arch::{Frame as TrapFrame, MACHINE_CHECKS, Origin, Question, TrapFrame as _, TrapInfo, classify, vectors};
use crate::cpu;

/// The trap as the portable layer wants to hear of it.
pub(super) fn trap_info(number: TrapNumber, frame: &TrapFrame) -> TrapInfo {
    let origin = frame.origin();
    let (number, address) = if frame.vector() as u8 == vectors::MACHINE_CHECK {
        (number, MACHINE_CHECKS.of(cpu::this()).last().map_or(0, |event| event.address))
    } else {
        // CR2 is the CPU's until its next page fault, and the kernel takes none between entry and this.
        classify(number, frame, Cr2::read_raw, |question| access_of(frame, question))
    };
    TrapInfo { number, vector: frame.vector(), origin, description: number.description(), address }
}

fn access_of<Answer>(frame: &TrapFrame, question: Question<Answer>) -> Option<Answer> {
    match frame.origin() {
        Origin::User => access_context::of_thread(frame, question),
        Origin::Kernel => access_context::of_kernel(frame, question),
    }
}
