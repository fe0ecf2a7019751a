//! One CPU's timer: a one-shot that is armed for the earliest thing that matters, and for nothing else.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use smp::local_apic::TimerMode;
use spin::Once;

use super::clock;
use super::timer::expire;
use super::timer_list::Due;
use crate::arch::{ticks, x86_64::vectors};
use crate::cpu::ThisCpu;
use crate::sched::{self, Next};
use crate::thread::Thread;

/// How the hardware timer is programmed; the same on every CPU.
#[derive(Clone, Copy, Debug)]
pub enum HardwareTimer {
    /// Compares with the time-stamp counter.
    Deadline,
    /// Counts down at a rate of its own: timer ticks a clock tick, times 2^32.
    CountDown {
        /// The ratio.
        ratio_32: u64,
    },
}

static TIMER: Once<HardwareTimer> = Once::new();

/// How long a thread runs while others of its priority are ready: 10 ms.
pub const SLICE_NANOSECONDS: u64 = 10_000_000;

/// The same in clock ticks, worked out once.
static SLICE_TICKS: AtomicU64 = AtomicU64::new(0);

/// Makes the timer known, once, before any thread runs; and sets the calling CPU's up. Every CPU calls this.
pub fn install_timer(cpu: &ThisCpu, timer: HardwareTimer) {
    let timer = TIMER.call_once(|| timer);
    SLICE_TICKS.store(clock().ticks_in(SLICE_NANOSECONDS), Ordering::Relaxed);
    cpu.kernel().apic().set_timer(match timer {
        HardwareTimer::Deadline => TimerMode::TscDeadline { vector: vectors::TIMER },
        HardwareTimer::CountDown { .. } => TimerMode::OneShot { vector: vectors::TIMER },
    });
}

/// Arms this CPU's timer for a moment, in clock ticks, unless it is armed for an earlier one.
pub fn arm(cpu: &ThisCpu, moment: u64) {
    if moment >= cpu.local().armed.get() {
        return;
    }
    cpu.local().armed.set(moment);
    match TIMER.get() {
        Some(HardwareTimer::Deadline) => cpu.kernel().apic().arm_deadline(moment),
        Some(HardwareTimer::CountDown { ratio_32 }) => {
            let clock_ticks = moment.saturating_sub(ticks());
            let count = (u128::from(clock_ticks) * u128::from(*ratio_32)) >> 32;
            // A count of 0 would disarm it. One that is too long ends early, and the interrupt arms it again.
            cpu.kernel().apic().arm_one_shot(u32::try_from(count).unwrap_or(u32::MAX).max(1));
        }
        None => unreachable!("the timer is installed before anything waits"),
    }
}

/// The timer's interrupt: drops each entry that is due and completes its action, ends the slice if that is due, and arms
/// the timer for what comes next.
#[inline(always)]
pub fn timer_interrupt(cpu: &ThisCpu) -> Next {
    let local = cpu.local();
    local.armed.set(u64::MAX);
    let now = ticks();
    let mut next = if local.timers.next() <= now { complete_due(cpu, now) } else { Next::Stay };
    if local.slice_end.get() <= now {
        local.slice_end.set(u64::MAX);
        next = next.and(sched::slice_ended(cpu));
    }
    let moment = local.timers.next().min(local.slice_end.get());
    if moment != u64::MAX {
        arm(cpu, moment);
    }
    next
}

#[inline(never)]
fn complete_due(cpu: &ThisCpu, now: u64) -> Next {
    let mut next = Next::Stay;
    while let Some(due) = cpu.local().timers.pop_due(now) {
        next = next.and(match due {
            Due::Thread(thread) => sched::deadline_reached(cpu, thread),
            Due::Timer(timer) => expire(cpu, timer),
        });
    }
    next
}

/// Takes the running thread off the CPU until a moment, in clock ticks, and answers it: it is in this CPU's timer list.
///
/// `None`: no thread runs.
pub fn wait_until(cpu: &ThisCpu, moment: u64) -> Option<Arc<Thread>> {
    let thread = sched::detach_current(cpu)?;
    thread.set_deadline(moment);
    arm(cpu, moment);
    cpu.local().timers.insert(Arc::clone(&thread));
    Some(thread)
}

/// [`start_slice`] where one runs already, as a rule.
#[inline(always)]
pub fn ensure_slice(cpu: &ThisCpu) {
    if cpu.local().slice_end.get() == u64::MAX {
        start_slice(cpu);
    }
}

/// Starts a slice if none runs: somebody else is ready.
pub fn start_slice(cpu: &ThisCpu) {
    let local = cpu.local();
    if local.slice_end.get() == u64::MAX {
        let end = ticks().saturating_add(SLICE_TICKS.load(Ordering::Relaxed));
        local.slice_end.set(end);
        arm(cpu, end);
    }
}
