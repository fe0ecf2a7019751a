//! This CPU's timer: due entries of the timer list are dropped, their actions completed, the list advanced.

use core::convert::Infallible;

use gatehouse_abi::TrapNumber;

use crate::arch::{Frame, vectors};
use crate::cpu::ThisCpu;
use crate::entry::ipi;
use crate::entry::trap_main::{Fast, Row};
use crate::sched::Next;

/// Fast where nothing is due.
pub(super) struct Timer;

impl Row for Timer {
    type Found = Infallible;
    type Taken = ();
    const COUNTER: Option<usize> = Some(vectors::TIMER as usize);

    #[inline(always)]
    fn number(_frame: &Frame) -> TrapNumber {
        TrapNumber::TIMER
    }

    #[inline(always)]
    fn fast(cpu: &ThisCpu, _number: TrapNumber, _frame: &mut Frame) -> Fast<Self> {
        if ipi::timer_with_nothing_due(cpu) { Fast::Done(Next::Stay) } else { Fast::Rest(()) }
    }

    #[inline(always)]
    fn rest(cpu: &ThisCpu, _number: TrapNumber, _frame: &mut Frame, _taken: ()) -> Next {
        timer_handler(cpu)
    }
}

/// Something is due; the interrupt has been ended.
#[inline(always)]
fn timer_handler(cpu: &ThisCpu) -> Next {
    ipi::timer(cpu)
}
