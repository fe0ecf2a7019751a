//! The part of the road that every handler shares: from the entry's frame to [`trap_main`].

use crate::arch::Frame as TrapFrame;
use crate::cpu::ThisCpu;
use crate::entry::trap_main::trap_main;
use crate::sched::Next;

/// [`trap_main`] for the frame that an entry passes.
#[inline(always)]
pub(super) fn handle(
    frame: *mut TrapFrame,
    handler: impl FnOnce(&ThisCpu, &mut TrapFrame) -> Next,
) -> *const TrapFrame {
    // SAFETY: the entry passes the frame it has just completed; nobody else refers to it while its thread is in the
    // kernel on this CPU.
    trap_main(unsafe { &mut *frame }, handler)
}

/// The same for a vector that counts its entries here.
#[inline(always)]
pub(super) fn handle_vector(
    vector: u8,
    frame: *mut TrapFrame,
    handler: impl FnOnce(&ThisCpu, &mut TrapFrame) -> Next,
) -> *const TrapFrame {
    handle(frame, |cpu, frame| {
        cpu.entries().count(usize::from(vector));
        handler(cpu, frame)
    })
}
