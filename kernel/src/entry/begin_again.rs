//! A CPU begins again at the top of its interrupt stack.

use super::trap_main::conclude;
use crate::arch::Frame;
use crate::cpu::{self, ThisCpu};
use crate::ipi;
use crate::life;
use crate::sched;
use crate::time;

/// What a CPU does after it has started again: puts itself in order, ends the program, chooses who runs.
///
/// What the code that was cut off held is lost: references to threads, programs and memory that only its stack knew are
/// never dropped, so that what they count stays in use. What it was going to do for other CPUs is done here.
pub(super) extern "C" fn begin_again() -> *const Frame {
    let cpu = cpu::this();
    cpu.abandon_ist();
    cpu.kernel().nmi().set_active(false);
    cpu.kernel().overflow().is_over();
    // The thread first: what follows would put it back among those that are ready.
    let next = life::end_current(&cpu, cpu.local().contained.get());
    serve_others(&cpu);
    conclude(&cpu, cpu.local().idle_frame(), next)
}

/// Does what others asked of this CPU: what was taken out of a set and not done is not known, so all of it.
fn serve_others(cpu: &ThisCpu) {
    ipi::answer_calls(cpu);
    let _next = sched::drain_inbox(cpu);
    let _next = time::timer_interrupt(cpu);
}
