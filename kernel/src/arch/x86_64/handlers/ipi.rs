//! Another CPU wants attention.

use super::road::handle_vector;
use crate::arch::x86_64::frame::TrapFrame;
use crate::arch::x86_64::vectors;
use crate::irq;
use crate::trap::look_when_idle;

pub(super) extern "C" fn ipi_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    handle_vector(vectors::IPI, frame, |cpu, frame| look_when_idle(cpu, irq::ipi(cpu, frame)))
}
