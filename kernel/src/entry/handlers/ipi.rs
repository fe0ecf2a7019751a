//! Another CPU wants attention.

use gatehouse_abi::TrapNumber;
use smp::call::Waiting;
use smp::ipi::Kinds;

use crate::arch::{Frame, vectors};
use crate::cpu::ThisCpu;
use crate::entry::ipi;
use crate::entry::trap_main::{Fast, Row};
use crate::ipi::{CallRequest, answer_call};
use crate::sched::Next;

/// Fast where one call is to be answered, and nothing else.
pub(super) struct Ipi;

/// What the other CPUs want, or what is left of it. The interrupt has been ended.
pub(super) struct Wanted(Kinds);

impl Default for Wanted {
    fn default() -> Self {
        Self(Kinds::of(&[]))
    }
}

impl Row for Ipi {
    /// A call that takes longer.
    type Found = CallRequest<'static>;
    type Taken = Wanted;
    const COUNTER: Option<usize> = Some(vectors::IPI as usize);

    #[inline(always)]
    fn number(_frame: &Frame) -> TrapNumber {
        TrapNumber::IPI
    }

    #[inline(always)]
    fn fast(cpu: &ThisCpu, _number: TrapNumber, _frame: &mut Frame) -> Fast<Self> {
        match ipi::ipi_of_calls(cpu) {
            (_, Waiting::Nothing) => Fast::DoneForOthers,
            (_, Waiting::One(request)) => Fast::Otherwise(request),
            (kinds, Waiting::More) => Fast::Rest(Wanted(kinds)),
        }
    }

    #[inline(always)]
    fn resume(
        cpu: &ThisCpu,
        _number: TrapNumber,
        _frame: &mut Frame,
        request: CallRequest<'static>,
    ) -> Result<Next, Wanted> {
        answer_call(cpu, request);
        Err(Wanted(ipi::CALLS))
    }

    #[inline(always)]
    fn rest(cpu: &ThisCpu, _number: TrapNumber, frame: &mut Frame, taken: Wanted) -> Next {
        ipi_handler(cpu, frame, taken)
    }
}

/// Does what is left.
#[inline(always)]
fn ipi_handler(cpu: &ThisCpu, frame: &Frame, Wanted(kinds): Wanted) -> Next {
    ipi::ipi(cpu, kinds, frame)
}
