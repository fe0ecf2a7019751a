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
    let mut next = Next::Stay;
    for kind in cpu.kernel().remote().pending().take().iter() {
        match kind {
            Kind::Reschedule => next = next.and(sched::drain_inbox(cpu)),
            Kind::TlbShootdown | Kind::CallFunction | Kind::Ping => answer_calls(cpu),
            Kind::Timer => time::changed_elsewhere(cpu),
            Kind::Stop => lockdown::stopped_by_interrupt(cpu, frame),
            // Nobody posts it: registers are asked for by NMI.
            Kind::Dump => {}
        }
    }
    next
}
