//! Inter-processor interrupts and the timer.

use smp::ipi::Kind;

use super::call::answer_calls;
use crate::arch::Frame;
use crate::cpu::ThisCpu;
use crate::lockdown;
use crate::sched::{self, Next};
use crate::time;

/// This CPU's timer.
pub fn timer(cpu: &ThisCpu) -> Next {
    cpu.kernel().apic().end_of_interrupt();
    time::timer_interrupt(cpu)
}

/// Another CPU wants something; `frame` was interrupted. The interrupt is ended first: what is posted from here on raises another.
pub fn ipi(cpu: &ThisCpu, frame: &Frame) -> Next {
    cpu.kernel().apic().end_of_interrupt();
    let kinds = cpu.kernel().remote().pending().take();
    if kinds.contains(Kind::Stop) {
        lockdown::stopped_by_interrupt(cpu, frame);
    }
    if kinds.contains(Kind::TlbShootdown) || kinds.contains(Kind::CallFunction) || kinds.contains(Kind::Ping) {
        answer_calls(cpu);
    }
    if kinds.contains(Kind::Timer) {
        time::changed_elsewhere(cpu);
    }
    // Nobody posts `Kind::Dump`: registers are asked for by NMI.
    if kinds.contains(Kind::Reschedule) { sched::drain_inbox(cpu) } else { Next::Stay }
}
