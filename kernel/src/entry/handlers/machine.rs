//! What the machine tells whatever runs: NMI, #DF, #MC. They come by the IST entry, on stacks of their own, where nothing may end and
//! nobody is chosen: a row of theirs goes back to what was interrupted, or not at all.

use core::convert::Infallible;

use gatehouse_abi::TrapNumber;

use crate::arch::{Frame, Origin, TrapFrame as _, TrapInfo, trap_number, vectors};
use crate::containment;
use crate::cpu::ThisCpu;
use crate::entry::begin_again::begin_again;
use crate::entry::machine_check::end_for_program;
use crate::entry::trap_info::trap_info;
use crate::entry::trap_main::{Fast, Row};
use crate::entry::{nmi, policy};
use crate::lockdown;
use crate::sched::Next;

/// NMI.
pub(in crate::entry) struct NonMaskable;

impl Row for NonMaskable {
    type Found = Infallible;
    type Taken = ();
    const COUNTER: Option<usize> = Some(vectors::NMI as usize);

    #[inline(always)]
    fn number(_frame: &Frame) -> TrapNumber {
        TrapNumber::NON_MASKABLE
    }

    #[inline(always)]
    fn fast(cpu: &ThisCpu, _number: TrapNumber, frame: &mut Frame) -> Fast<Self> {
        non_maskable_interrupt_handler(cpu, frame);
        Fast::Done(Next::Stay)
    }

    fn rest(_cpu: &ThisCpu, _number: TrapNumber, _frame: &mut Frame, _taken: ()) -> Next {
        Next::Stay
    }
}

/// Serves what other CPUs ask for. Uses nothing that the CPU keeps for itself: it may be in the middle of a change.
#[inline(always)]
fn non_maskable_interrupt_handler(cpu: &ThisCpu, frame: &Frame) {
    nmi::handle(cpu.cpu(), frame);
}

/// #MC that whatever was interrupted outlives: nothing is left to be done.
pub(in crate::entry) struct HarmlessMachineCheck;

impl Row for HarmlessMachineCheck {
    type Found = Infallible;
    type Taken = ();
    const COUNTER: Option<usize> = Some(vectors::MACHINE_CHECK as usize);

    #[inline(always)]
    fn number(_frame: &Frame) -> TrapNumber {
        TrapNumber::MACHINE_CHECK
    }

    #[inline(always)]
    fn fast(_cpu: &ThisCpu, _number: TrapNumber, _frame: &mut Frame) -> Fast<Self> {
        Fast::Done(Next::Stay)
    }

    fn rest(_cpu: &ThisCpu, _number: TrapNumber, _frame: &mut Frame, _taken: ()) -> Next {
        Next::Stay
    }
}

/// #DF, #MC that the kernel cannot go on from, and what has no business here.
pub(in crate::entry) struct Fatal;

impl Row for Fatal {
    type Found = Infallible;
    type Taken = ();
    const COUNTER: Option<usize> = None;
    const HAS_FAST_PATH: bool = false;

    #[inline(always)]
    fn number(frame: &Frame) -> TrapNumber {
        trap_number(frame.vector() as u8, frame.error_code())
    }

    fn rest(cpu: &ThisCpu, number: TrapNumber, frame: &mut Frame, _taken: ()) -> Next {
        let info = trap_info(number, frame);
        if number == TrapNumber::DOUBLE_FAULT {
            double_fault_handler(cpu, &info, frame)
        }
        lockdown::enter(cpu, &info, frame)
    }
}

/// The stack of the kernel is gone. If that was one thread's doing, its program ends and the CPU begins again; else lockdown.
fn double_fault_handler(cpu: &ThisCpu, info: &TrapInfo, frame: &Frame) -> ! {
    let refusal = containment::contain_overflow(cpu, info, frame, begin_again);
    lockdown::enter_uncontained(cpu, info, frame, refusal)
}

/// #MC from ring 3, once the banks have said that the program can be ended for it, or that it is not theirs. It goes on as an
/// ordinary exception.
pub(super) fn machine_check_handler(cpu: &ThisCpu, info: &TrapInfo, frame: &mut Frame) -> Next {
    // The hardware's: what the program's memory or registers hold is not known, so nobody can reply to that.
    if frame.origin() == Origin::User && frame.error_code() != 0 {
        end_for_program(cpu.cpu());
        return policy::shut_down(cpu, info, frame);
    }
    policy::exception(cpu, info, frame)
}
