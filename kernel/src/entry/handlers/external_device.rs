//! A device: whoever drives it is told.

use core::convert::Infallible;

use gatehouse_abi::TrapNumber;

use crate::arch::{Frame, Origin, TrapFrame as _};
use crate::cpu::ThisCpu;
use crate::entry::trap_main::{Fast, Row};
use crate::irq;
use crate::sched::Next;

/// Fast where the driver waits on this CPU, and is more urgent than the program that was interrupted.
pub(super) struct ExternalDevice;

impl Row for ExternalDevice {
    type Found = Infallible;
    type Taken = ();
    const COUNTER: Option<usize> = None;

    #[inline(always)]
    fn number(_frame: &Frame) -> TrapNumber {
        TrapNumber::DEVICE
    }

    #[inline(always)]
    fn fast(cpu: &ThisCpu, _number: TrapNumber, frame: &mut Frame) -> Fast<Self> {
        if frame.origin() == Origin::Kernel {
            return Fast::Rest(());
        }
        // SAFETY: ring 3 ran, so a thread is on this CPU.
        match unsafe { irq::device_here(cpu, frame.vector()) } {
            Some(next) => Fast::Done(Next::Switched(next)),
            None => Fast::Rest(()),
        }
    }

    #[inline(always)]
    fn rest(cpu: &ThisCpu, _number: TrapNumber, frame: &mut Frame, _taken: ()) -> Next {
        external_device_handler(cpu, frame)
    }
}

/// Tells whoever drives the device.
#[inline(always)]
fn external_device_handler(cpu: &ThisCpu, frame: &Frame) -> Next {
    irq::device(cpu, frame.vector())
}
