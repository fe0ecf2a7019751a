//! This CPU's timer: due entries of the timer list are dropped, their actions completed, the list advanced.

use super::road::handle_vector;
use crate::arch::x86_64::frame::TrapFrame;
use crate::arch::x86_64::vectors;
use crate::irq;
use crate::trap::look_when_idle;

pub(super) extern "C" fn timer_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    handle_vector(vectors::TIMER, frame, |cpu, _| look_when_idle(cpu, irq::timer(cpu)))
}
