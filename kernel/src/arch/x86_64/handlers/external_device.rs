//! A device: whoever drives it is told.

use super::road::handle;
use crate::arch::x86_64::frame::TrapFrame;
use crate::irq;
use crate::trap::look_when_idle;

pub(super) extern "C" fn external_device_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    handle(frame, |cpu, frame| {
        cpu.entries().count(frame.vector() as usize);
        look_when_idle(cpu, irq::device(cpu, frame.vector()))
    })
}
