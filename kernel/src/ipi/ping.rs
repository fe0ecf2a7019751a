//! How long an interrupt takes to another CPU and back.

use core::sync::atomic::{AtomicU64, Ordering};

use percpu::{CpuShared, per_cpu};
use smp::call::CallError;

use super::call::{Operation, all_others, call};
use crate::arch::ticks;
use crate::cpu::{Cpu, ThisCpu};

/// How long a CPU may take to answer: 10 ms, in nanoseconds. The caller has its interrupts off meanwhile, and can ask again.
const DEADLINE: u64 = 10_000_000;

per_cpu! {
    /// The time-stamp counter at the last ping of this CPU. Only it writes.
    static PINGED_AT: CpuShared<AtomicU64> = AtomicU64::new(0);
}

/// This CPU is pinged: notes when.
#[inline(always)]
pub(super) fn note_ping(cpu: &ThisCpu) {
    PINGED_AT.of(cpu).store(ticks(), Ordering::Relaxed);
}

/// What a ping took, in ticks of the time-stamp counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping {
    /// Until the handler there read its counter.
    pub there: u64,
    /// Until the caller knew.
    pub round_trip: u64,
}

/// Interrupts a CPU that is online, and waits until it has answered. The calling CPU answers itself, without an interrupt.
///
/// # Errors
/// The CPU, if it does not answer in 10 ms.
#[inline(never)]
pub fn ping(cpu: &ThisCpu, target: Cpu) -> Result<Ping, CallError<'static, Operation>> {
    let start = ticks();
    call(cpu, [target], Operation::Ping, DEADLINE)?;
    let round_trip = ticks().wrapping_sub(start);
    let arrived = PINGED_AT.of(target).load(Ordering::Relaxed);
    Ok(Ping { there: arrived.saturating_sub(start), round_trip })
}

/// Interrupts all CPUs but this one, and waits until all have answered; answers the ticks until then.
///
/// # Errors
/// The CPUs that do not answer in 10 ms.
pub fn ping_all(cpu: &ThisCpu) -> Result<u64, CallError<'static, Operation>> {
    let start = ticks();
    call(cpu, all_others(cpu.index()), Operation::Ping, DEADLINE)?;
    Ok(ticks().wrapping_sub(start))
}
