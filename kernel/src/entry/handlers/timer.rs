//! This CPU's timer: due entries of the timer list are dropped, their actions completed, the list advanced. Where nothing is due
//! the short way is taken, which needs no stack, and the long one by a jump.

use super::road::handle;
use crate::arch::{Frame as TrapFrame, vectors};
use crate::cpu;
use crate::entry::ipi;
use crate::entry::trap_main::look_when_idle;

pub(super) extern "C" fn timer_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    let cpu = cpu::this();
    cpu.entries().count(usize::from(vectors::TIMER));
    if ipi::timer_with_nothing_due(&cpu) {
        return frame;
    }
    timer_the_long_way(frame)
}

/// A timer's interrupt that has been counted and ended.
#[inline(never)]
extern "C" fn timer_the_long_way(frame: *mut TrapFrame) -> *const TrapFrame {
    handle(frame, |cpu, _| look_when_idle(cpu, ipi::timer(cpu)))
}
