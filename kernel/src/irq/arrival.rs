//! An interrupt of a driver outside the kernel has come: who is told. What is looked at is this CPU's own, and the interrupt's.

use gatehouse_core::interrupt_rate::BATCH;

use super::interrupt::{Interrupt, Report};
use super::vector_assignment::{VECTORS, find};
use super::vector_table::Arrival;
use crate::arch::Frame;
use crate::console;
use crate::cpu::ThisCpu;
use crate::ipc;
use crate::program::Program;
use crate::sched::Next;
use crate::sync::try_lock_briefly;

/// An interrupt of a device has come; `None` if nobody has the vector. Ends the interrupt.
pub(super) fn arrived(cpu: &ThisCpu, vector: u64) -> Option<Next> {
    let interrupt = match find(cpu, vector)? {
        Arrival::Bound(interrupt) => Some(interrupt),
        Arrival::Late(interrupt) => interrupt.upgrade(),
        Arrival::Ended => None,
    };
    let Some(interrupt) = interrupt else {
        cpu.apic().end_of_interrupt();
        return Some(Next::Stay);
    };
    let (next, report) = interrupt.arrived(cpu);
    if let Some(report) = report {
        report_storm(cpu, &interrupt, &report);
    }
    Some(next)
}

/// [`arrived`] by the fast path: an edge that the driver is waiting for, who is more urgent than the thread that runs, and belongs
/// to this CPU. Answers the frame to return through. Looks first, and changes nothing until all of that is certain.
///
/// # Safety
/// A thread runs on this CPU, and the interrupt came while it was in ring 3.
#[inline(always)]
pub(super) unsafe fn arrived_here(cpu: &ThisCpu, vector: u64) -> Option<*const Frame> {
    let (waiter, badge) = {
        // As long as the vectors are locked the interrupt has this one, and is not dropped.
        let vectors = try_lock_briefly(VECTORS.of(cpu))?;
        vectors.bound(vector)?.take_driver(cpu)?
    };
    cpu.apic().end_of_interrupt();
    // SAFETY: by the contract; the waiter was taken on this CPU.
    Some(unsafe { ipc::fast_path::run_waiter(cpu, waiter, badge) })
}

#[cold]
fn report_storm(cpu: &ThisCpu, interrupt: &Interrupt, (storm, program): &Report) {
    console::line(format_args!(
        "CPU {}: interrupt storm: {}, bound by {}, came {BATCH} times in {} us; it is masked until it is acknowledged twice",
        cpu.index(),
        interrupt.source(),
        program.as_deref().map_or("a program that has ended", Program::name),
        storm.nanoseconds / 1000
    ));
}
