//! A device: whoever drives it is told, by the short way if it waits on this CPU.

use super::road::handle;
use crate::arch::{Frame as TrapFrame, Origin, TrapFrame as _, leave_from_handler};
use crate::cpu;
use crate::entry::trap_main::look_when_idle;
use crate::irq;

pub(super) extern "C" fn external_device_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    let cpu = cpu::this();
    // SAFETY: as in `handle`.
    let saved = unsafe { &*frame };
    cpu.entries().count(saved.vector() as usize);
    if saved.origin() == Origin::User {
        // SAFETY: ring 3 ran, so a thread is on this CPU.
        if let Some(next) = unsafe { irq::device_here(&cpu, saved.vector()) } {
            // SAFETY: as in `exception::plain_fault`.
            unsafe { leave_from_handler(next) }
        }
    }
    external_device_the_long_way(frame)
}

#[inline(never)]
extern "C" fn external_device_the_long_way(frame: *mut TrapFrame) -> *const TrapFrame {
    handle(frame, |cpu, frame| look_when_idle(cpu, irq::device(cpu, frame.vector())))
}
