//! Inter-processor interrupts and the timer.

use smp::call::Waiting;
use smp::ipi::{Kind, Kinds};

use crate::arch::Frame;
use crate::cpu::{IPI_TARGET, ThisCpu};
use crate::ipi::{Operation, answer_calls, answer_one_call};
use crate::lockdown;
use crate::sched::{self, Next};
use crate::time;

/// What a change of the run queue comes with.
const RESCHEDULE: Kinds = Kinds::of(&[Kind::Reschedule]);
/// What a call of another CPU comes with.
pub const CALLS: Kinds = Kinds::of(&[Kind::CallFunction, Kind::TlbShootdown, Kind::Ping]);

/// This CPU's timer, the fast path: tells whether all is done. Ends the interrupt.
#[inline(always)]
pub fn timer_with_nothing_due(cpu: &ThisCpu) -> bool {
    cpu.apic().end_of_interrupt();
    // An idle CPU looks for work besides.
    cpu.current().is_some() && time::arm_if_nothing_due(cpu)
}

/// This CPU's timer, after the interrupt was ended.
pub fn timer(cpu: &ThisCpu) -> Next {
    time::timer_interrupt(cpu)
}

/// Another CPU wants something: if it is an answer to a call and nothing else, it is given. A call that takes longer is for
/// [`answer_call`](crate::ipi::answer_call), and all else for [`ipi`]. The interrupt is ended first: what is
/// posted from here on raises another. Answers what is wanted, and how it is with calls: `More` says that nothing has been done.
#[inline(always)]
pub fn ipi_of_calls(cpu: &ThisCpu) -> (Kinds, Waiting<'static, Operation>) {
    cpu.apic().end_of_interrupt();
    let kinds = IPI_TARGET.of(cpu).pending.take();
    (kinds, if kinds.are_all_in(CALLS) { answer_one_call(cpu) } else { Waiting::More })
}

/// Does what another CPU wants; `frame` was interrupted.
#[inline(always)]
pub fn ipi(cpu: &ThisCpu, kinds: Kinds, frame: &Frame) -> Next {
    if !kinds.are_all_in(RESCHEDULE) {
        all_but_reschedule(cpu, kinds, frame);
    }
    if kinds.contains(Kind::Reschedule) { sched::drain_inbox(cpu) } else { Next::Stay }
}

#[inline(never)]
fn all_but_reschedule(cpu: &ThisCpu, kinds: Kinds, frame: &Frame) {
    if kinds.contains(Kind::Stop) {
        lockdown::stopped_by_interrupt(cpu, frame);
    }
    if kinds.have_any_of(CALLS) {
        answer_calls(cpu);
    }
    if kinds.contains(Kind::Timer) {
        time::changed_elsewhere(cpu);
    }
    // Nobody posts `Kind::Dump`: registers are asked for by NMI.
}
