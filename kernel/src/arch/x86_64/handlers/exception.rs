//! From a vector to the type of trap: by the short way where number and address are known at once, else by looking into the
//! frame.

use gatehouse_abi::TrapNumber;

use super::handle_by_number;
use super::road::handle;
use crate::arch::x86_64::decode::trap_number;
use crate::arch::x86_64::exceptions::trap_info;
use crate::arch::x86_64::frame::TrapFrame;
use crate::arch::x86_64::leave::leave_from_handler;
use crate::cpu;
use crate::ipc;
use crate::sched::Next;
use crate::trap::{Origin, TrapFrame as _};

/// An exception that is known by its number and the address that was accessed, 0 for none: in a program, it goes to the
/// thread's handler by the short way.
#[inline(always)]
pub(super) fn plain_exception(
    frame: *mut TrapFrame,
    vector: u8,
    what: impl FnOnce(&TrapFrame) -> (TrapNumber, u64),
) -> *const TrapFrame {
    let cpu = cpu::this();
    cpu.entries().count(usize::from(vector));
    // SAFETY: as in `handle`.
    let saved = unsafe { &*frame };
    if saved.origin() == Origin::User {
        let (number, address) = what(saved);
        // SAFETY: ring 3 ran, so a thread is on this CPU, and this is its frame.
        if let Some(next) = unsafe { ipc::deliver_fault_here::<true>(&cpu, number, address, saved) } {
            // SAFETY: the frame is that of the thread that the CPU was switched to; entries put RSP on the interrupt stack.
            unsafe { leave_from_handler(next) }
        }
        return plain_fault_the_long_way(frame, number, address);
    }
    exception_counted(frame)
}

/// A fault of a program, with all that may be in the way.
#[inline(never)]
extern "C" fn plain_fault_the_long_way(frame: *mut TrapFrame, number: TrapNumber, address: u64) -> *const TrapFrame {
    // SAFETY: as in `plain_exception`.
    if let Some(next) = unsafe { ipc::deliver_fault_elsewhere(&cpu::this(), number, address, &*frame) } {
        return next;
    }
    handle(frame, |cpu, frame| {
        // SAFETY: as in `plain_exception`.
        if let Some(_frame) = unsafe { ipc::deliver_fault_here::<false>(cpu, number, address, frame) } {
            return Next::Switched;
        }
        let info = trap_info(number, frame);
        handle_by_number(cpu, &info, frame)
    })
}

/// Any exception whose entry has been counted.
#[inline(never)]
extern "C" fn exception_counted(frame: *mut TrapFrame) -> *const TrapFrame {
    handle(frame, |cpu, frame| {
        let info = trap_info(trap_number(frame.vector() as u8, frame.error_code()), frame);
        handle_by_number(cpu, &info, frame)
    })
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
