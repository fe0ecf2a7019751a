//! What the local interrupt controller raises on its own account.

use core::convert::Infallible;

use gatehouse_abi::TrapNumber;

use crate::arch::{Frame, vectors};
use crate::cpu::ThisCpu;
use crate::entry::trap_main::{Fast, Row};
use crate::irq;
use crate::sched::Next;

/// The interrupt was withdrawn.
pub(super) struct Spurious;

impl Row for Spurious {
    type Found = Infallible;
    type Taken = ();
    const COUNTER: Option<usize> = Some(vectors::SPURIOUS as usize);

    #[inline(always)]
    fn number(_frame: &Frame) -> TrapNumber {
        TrapNumber::SPURIOUS
    }

    #[inline(always)]
    fn fast(_cpu: &ThisCpu, _number: TrapNumber, _frame: &mut Frame) -> Fast<Self> {
        Fast::Done(spurious_interrupt_handler())
    }

    #[inline(always)]
    fn rest(_cpu: &ThisCpu, _number: TrapNumber, _frame: &mut Frame, _taken: ()) -> Next {
        spurious_interrupt_handler()
    }
}

/// There is nothing to do, and nothing to acknowledge.
#[inline(always)]
const fn spurious_interrupt_handler() -> Next {
    Next::Stay
}

/// An error of the controller's own.
pub(super) struct ControllerError;

impl Row for ControllerError {
    type Found = Infallible;
    type Taken = ();
    const COUNTER: Option<usize> = Some(vectors::APIC_ERROR as usize);
    const HAS_FAST_PATH: bool = false;

    #[inline(always)]
    fn number(_frame: &Frame) -> TrapNumber {
        TrapNumber::CONTROLLER_ERROR
    }

    #[inline(always)]
    fn rest(cpu: &ThisCpu, _number: TrapNumber, _frame: &mut Frame, _taken: ()) -> Next {
        interrupt_controller_error_handler(cpu)
    }
}

/// Tells it.
fn interrupt_controller_error_handler(cpu: &ThisCpu) -> Next {
    irq::controller_error(cpu)
}
