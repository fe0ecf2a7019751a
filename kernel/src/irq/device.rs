//! Device interrupts, and the interrupt controller's own complaints.

use core::cell::Cell;
use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_core::interrupt_rate::Rate;
use percpu::{CpuLocal, CpuShared, per_cpu};

use super::{arrival, serial};
use crate::arch::Frame;
use crate::clock;
use crate::console;
use crate::cpu::{Cpu, ThisCpu};
use crate::sched::Next;
use crate::swap;

/// Storms so far, of all sources.
static STORMS: AtomicU64 = AtomicU64::new(0);

/// Storms since the start.
#[must_use]
pub fn storms() -> u64 {
    STORMS.load(Ordering::Relaxed)
}

/// Interrupts of one source have come too often.
pub(super) fn count_storm() {
    STORMS.fetch_add(1, Ordering::Relaxed);
}

per_cpu! {
    /// How often interrupts come that nobody asked for.
    static UNEXPECTED_RATE: CpuLocal<Cell<Rate>> = Cell::new(Rate::new(0));
    /// How many have come, of any vector. Only their CPU writes.
    static UNEXPECTED: CpuShared<AtomicU64> = AtomicU64::new(0);
}

/// Interrupts of a CPU that nobody asked for so far, of any vector.
#[must_use]
pub fn unexpected_interrupts(cpu: Cpu) -> u64 {
    UNEXPECTED.of(cpu).load(Ordering::Relaxed)
}

/// A device interrupt. One that nobody asked for is counted, told once a power of two, and ended.
pub fn device(cpu: &ThisCpu, vector: u64) -> Next {
    if let Some(next) = arrival::arrived(cpu, vector) {
        return next;
    }
    if let Some(next) = serial::arrived(cpu, vector) {
        return next;
    }
    cpu.apic().end_of_interrupt();
    if let Some(next) = swap::disk_interrupt(cpu, vector) {
        return next;
    }
    unexpected(cpu, vector);
    Next::Stay
}

/// Nobody asked for it, so nobody can be told to stop it.
#[cold]
fn unexpected(cpu: &ThisCpu, vector: u64) {
    let count = UNEXPECTED.of(cpu).load(Ordering::Relaxed).wrapping_add(1);
    UNEXPECTED.of(cpu).store(count, Ordering::Relaxed);
    let mut rate = UNEXPECTED_RATE.of(cpu).get();
    let storm = rate.count(clock::nanoseconds_since_start);
    UNEXPECTED_RATE.of(cpu).set(rate);
    if storm.is_some() {
        count_storm();
    }
    if count.is_power_of_two() {
        console::line(format_args!(
            "CPU {}: device interrupt {vector} that nobody asked for ({count} such so far)",
            cpu.index()
        ));
    }
}

/// [`device`] by the fast path: the driver waits on this CPU and runs instead of the thread that was interrupted. Answers the
/// frame to return through.
///
/// # Safety
/// A thread runs on this CPU, and the interrupt came while it was in ring 3.
#[inline(always)]
pub unsafe fn device_here(cpu: &ThisCpu, vector: u64) -> Option<*const Frame> {
    // SAFETY: the contract is the same.
    unsafe { arrival::arrived_here(cpu, vector) }
}

/// The local interrupt controller found an error.
pub fn controller_error(cpu: &ThisCpu) -> Next {
    let status = cpu.apic().error_status();
    cpu.apic().end_of_interrupt();
    console::line(format_args!("CPU {}: local APIC error status {:#x} {status:?}", cpu.index(), status.bits()));
    Next::Stay
}
