//! A CPU begins again at the top of its interrupt stack.

use core::convert::Infallible;

use gatehouse_abi::TrapNumber;

use super::trap_main::{Row, row};
use crate::arch::Frame;
use crate::containment;
use crate::cpu::{self, NMI, ThisCpu};
use crate::ipi;
use crate::life;
use crate::sched::{self, Next};
use crate::time;

/// What a CPU does after it has started again: the rest of the trap by which an overflow was found out, whose frame is gone with the
/// stack. The frame of the idle loop stands for it.
pub(super) extern "C" fn begin_again() -> *const Frame {
    row::<BeginAgain>(sched::idle_frame(&cpu::this()).cast_mut())
}

struct BeginAgain;

impl Row for BeginAgain {
    type Found = Infallible;
    type Taken = ();
    // It was counted when it came; the idle loop's frame names no vector.
    const COUNTER: Option<usize> = None;
    const HAS_FAST_PATH: bool = false;

    fn number(_frame: &Frame) -> TrapNumber {
        TrapNumber::DOUBLE_FAULT
    }

    /// Puts the CPU in order, and ends the program.
    ///
    /// What the code that was cut off held is lost: references to threads, programs and memory that only its stack knew are
    /// never dropped, so that what they count stays in use. What it was going to do for other CPUs is done here.
    fn rest(cpu: &ThisCpu, _number: TrapNumber, _frame: &mut Frame, _taken: ()) -> Next {
        cpu.abandon_ist();
        NMI.of(cpu).set_active(false);
        // The thread first: what follows would put it back among those that are ready.
        let next = life::end_current(cpu, containment::started_again(cpu));
        serve_others(cpu);
        next
    }
}

/// Does what others asked of this CPU: what was taken out of a set and not done is not known, so all of it.
fn serve_others(cpu: &ThisCpu) {
    ipi::answer_calls(cpu);
    let _next = sched::drain_inbox(cpu);
    let _next = time::timer_interrupt(cpu);
}
