//! From a vector to the type of trap: by the short way where number and address are known at once, else by looking into the
//! frame.

use gatehouse_abi::TrapNumber;

use super::handle_by_number;
use super::road::handle;
use crate::arch::{Frame as TrapFrame, answer_refusal, leave_from_handler, trap_number};
use crate::cpu;
use crate::entry::trap_info::trap_info;
use crate::ipc;
use crate::sched::Next;

/// An exception in ring 3 that is known by its number and the address that was accessed, 0 for none: it goes to the thread's
/// handler by the short way. `OF_MEMORY` says that it may be about a page that is away.
#[inline(always)]
pub(super) fn plain_fault<const OF_MEMORY: bool>(
    frame: *mut TrapFrame,
    number: TrapNumber,
    address: u64,
) -> *const TrapFrame {
    // SAFETY: as in `handle`; ring 3 ran, so a thread is on this CPU, and this is its frame.
    if let Some(next) = unsafe { ipc::deliver_fault_here::<true, OF_MEMORY>(&cpu::this(), number, address, &*frame) } {
        // SAFETY: the frame is that of the thread that the CPU was switched to; entries put RSP on the interrupt stack.
        unsafe { leave_from_handler(next) }
    }
    plain_fault_the_long_way(frame, number, address)
}

/// A fault of a program, with all that may be in the way.
#[inline(never)]
extern "C" fn plain_fault_the_long_way(frame: *mut TrapFrame, number: TrapNumber, address: u64) -> *const TrapFrame {
    // SAFETY: as in `plain_fault`.
    if let Some(next) = unsafe { ipc::deliver_fault_elsewhere(&cpu::this(), number, address, &*frame) } {
        return next;
    }
    handle(frame, |cpu, frame| {
        // SAFETY: as in `plain_fault`.
        if let Some(_frame) = unsafe { ipc::deliver_fault_here::<false, true>(cpu, number, address, frame) } {
            return Next::Switched;
        }
        let info = trap_info(number, frame);
        handle_by_number(cpu, &info, frame)
    })
}

/// Any exception whose entry has been counted.
#[inline(never)]
pub(super) extern "C" fn exception_counted(frame: *mut TrapFrame) -> *const TrapFrame {
    handle(frame, |cpu, frame| {
        let info = trap_info(trap_number(frame.vector() as u8, frame.error_code()), frame);
        handle_by_number(cpu, &info, frame)
    })
}

/// #GP. One that an access to a model-specific register of the kernel may raise is nothing but its answer.
pub(super) extern "C" fn general_protection(frame: *mut TrapFrame) -> *const TrapFrame {
    // SAFETY: as in `handle`.
    if answer_refusal(unsafe { &mut *frame }) { frame } else { exception(frame) }
}

/// Exceptions whose frame has to be looked into, or that are rare.
pub(super) extern "C" fn exception(frame: *mut TrapFrame) -> *const TrapFrame {
    handle(frame, |cpu, frame| {
        let vector = frame.vector() as u8;
        cpu.entries().count(usize::from(vector));
        let info = trap_info(trap_number(vector, frame.error_code()), frame);
        handle_by_number(cpu, &info, frame)
    })
}
