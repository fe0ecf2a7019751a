//! From a vector to the type of trap: by the short way where number and address are known at once, else by looking into the
//! frame.

use gatehouse_abi::TrapNumber;

use super::handle_by_number;
use super::road::handle;
use crate::arch::{Frame as TrapFrame, answer_refusal, leave_from_handler, trap_number};
use crate::cpu;
use crate::entry::trap_info::trap_info;
use crate::ipc::fast_path;

/// An exception in ring 3 that is known by its number and the address that was accessed, 0 for none: it goes to the thread's
/// handler by the fast path. `about_memory`: it may be about a page that is away.
#[inline(always)]
pub(super) fn plain_fault(
    frame: *mut TrapFrame,
    number: TrapNumber,
    address: u64,
    about_memory: bool,
) -> *const TrapFrame {
    // SAFETY: as in `handle`; ring 3 ran, so a thread is on this CPU, and this is its frame.
    match unsafe { fast_path::fault(&cpu::this(), number, address, about_memory, &*frame) } {
        // SAFETY: the frame is that of the thread that the CPU was switched to; entries put RSP on the interrupt stack.
        Ok(next) => unsafe { leave_from_handler(next) },
        Err(Some(outgoing)) => plain_fault_to(frame, number, outgoing),
        Err(None) => plain_fault_slow(frame, number),
    }
}

#[inline(never)]
fn plain_fault_to(frame: *mut TrapFrame, number: TrapNumber, outgoing: fast_path::Outgoing<'_>) -> *const TrapFrame {
    // SAFETY: as in `plain_fault`.
    match unsafe { outgoing.send(&cpu::this(), &*frame) } {
        Some(next) => next,
        None => plain_fault_slow(frame, number),
    }
}

#[inline(never)]
extern "C" fn plain_fault_slow(frame: *mut TrapFrame, number: TrapNumber) -> *const TrapFrame {
    handle(frame, |cpu, frame| {
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
