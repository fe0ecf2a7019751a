//! One CPU's timer: a one-shot that is armed for the earliest thing that matters, and for nothing else.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use smp::local_apic::TimerMode;
use spin::Once;

use super::timer::{changed_elsewhere, expire};
use super::timer_list::Due;
use crate::arch::{KernelInterrupt, ticks};
use crate::clock::clock;
use crate::cpu::ThisCpu;
use crate::sched::{self, Next, Worker};
use crate::thread::Thread;

/// How the hardware timer is programmed; the same on every CPU.
#[derive(Clone, Copy, Debug)]
pub enum HardwareTimer {
    /// Compares with the time-stamp counter.
    Deadline,
    /// Counts down at a rate of its own.
    CountDown(Rate),
}

/// How the timer's own ticks follow from the clock's.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Timer ticks a clock tick, times 2^32.
    ratio_32: u64,
    /// The most clock ticks that can be counted down at a time.
    most: u64,
}

impl Rate {
    /// A rate of so many timer ticks a clock tick, times 2^32.
    #[must_use]
    pub const fn new(ratio_32: u64) -> Self {
        let ratio_32 = if ratio_32 == 0 { 1 } else { ratio_32 };
        // Not by zero.
        let most = match (u64::MAX - (1 << 33)).checked_div(ratio_32) {
            Some(most) => most,
            None => 0,
        };
        Self { ratio_32, most }
    }

    /// What the timer is to count down from so that it does not end before so many clock ticks are over, and at most one of its
    /// own ticks after; never 0, which would disarm it. A time that is too long ends early, and the interrupt arms the timer again.
    #[inline(always)]
    const fn count(self, clock_ticks: u64) -> u32 {
        let clock_ticks = if clock_ticks < self.most { clock_ticks } else { self.most };
        // The product is below 2^64 - 2^33, so the sum fits.
        ((clock_ticks.wrapping_mul(self.ratio_32) >> 32) as u32).wrapping_add(1)
    }
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
        HardwareTimer::Deadline => TimerMode::TscDeadline { vector: KernelInterrupt::Timer.vector() },
        HardwareTimer::CountDown(_) => TimerMode::OneShot { vector: KernelInterrupt::Timer.vector() },
    });
}

/// Arms this CPU's timer for a moment, in clock ticks, unless it is armed for an earlier one.
pub fn arm(cpu: &ThisCpu, moment: u64) {
    if moment >= cpu.local().armed.get() {
        return;
    }
    cpu.local().armed.set(moment);
    match TIMER.get() {
        Some(timer) => program(cpu, timer, moment, ticks()),
        None => unreachable!("the timer is installed before anything waits"),
    }
}

/// Tells the hardware the moment; `now` is the clock's reading of a moment ago.
#[inline(always)]
fn program(cpu: &ThisCpu, timer: &HardwareTimer, moment: u64, now: u64) {
    match timer {
        HardwareTimer::Deadline => cpu.kernel().apic().arm_deadline(moment),
        HardwareTimer::CountDown(rate) => {
            cpu.kernel().apic().arm_one_shot(rate.count(moment.saturating_sub(now)));
        }
    }
}

/// The timer's interrupt where no entry is due, and nobody is ready for whom a slice could end: arms the timer for what comes
/// next. `false`: there is something to do, and nothing has been done.
#[inline(always)]
pub fn arm_if_nothing_due(cpu: &ThisCpu) -> bool {
    let Some(timer) = TIMER.get() else { return false };
    let local = cpu.local();
    let now = ticks();
    let mut moment = local.timers.next();
    if moment <= now {
        return false;
    }
    let slice_end = local.slice_end.get();
    if slice_end > now {
        moment = moment.min(slice_end);
    } else if local.run_queue.is_empty() {
        local.slice_end.set(u64::MAX);
    } else {
        return false;
    }
    local.armed.set(moment);
    if moment != u64::MAX {
        program(cpu, timer, moment, now);
    }
    true
}

/// The timer's interrupt: drops each entry that is due and completes its action, ends the slice if that is due, and arms
/// the timer for what comes next.
pub fn timer_interrupt(cpu: &ThisCpu) -> Next {
    let local = cpu.local();
    local.armed.set(u64::MAX);
    let now = ticks();
    let mut next = Next::Stay;
    if local.timers.next() <= now {
        if local.timers.held_until() <= now {
            next = release(cpu);
        }
        next = next.and(complete_due(cpu, now));
    }
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

/// Completes what is due at `now`, as much as one interrupt may do. What is left is due still, and so the timer is armed for a
/// moment that has passed.
#[inline(never)]
fn complete_due(cpu: &ThisCpu, now: u64) -> Next {
    let mut worker = Worker::new(cpu);
    let mut next = Next::Stay;
    while let Some(floor) = worker.floor() {
        let Some(due) = cpu.local().timers.pop_due(now, floor) else { break };
        next = next.and(match due {
            Due::Thread(thread) => sched::deadline_reached(cpu, thread),
            Due::Timer(priority, timer) => {
                worker.spend(priority);
                expire(cpu, timer)
            }
        });
    }
    next
}

/// What was held back is due, and what others have put into this CPU's inboxes without interrupting it.
#[cold]
fn release(cpu: &ThisCpu) -> Next {
    cpu.local().timers.release();
    cpu.kernel().remote().lower_floor();
    cpu.kernel().remote().ask_to_attend();
    changed_elsewhere(cpu);
    sched::drain_inbox(cpu)
}

/// Holds timers of priorities below `floor` back until a moment, and has this CPU look again then.
pub fn hold_back(cpu: &ThisCpu, floor: u8, until: u64) {
    cpu.local().timers.hold(floor, until);
    arm(cpu, cpu.local().timers.held_until());
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Rate;

    #[test]
    fn a_count_is_never_zero_and_never_too_long() {
        let equal = Rate::new(1 << 32);
        assert_eq!([0, 1, 1000].map(|ticks| equal.count(ticks)), [1, 2, 1001]);
        assert_eq!([1 << 32, u64::MAX].map(|ticks| equal.count(ticks)), [u32::MAX - 1; 2]);
        for rate in [Rate::new(0), Rate::new(1), Rate::new(u64::MAX)] {
            assert!([0, 1, 1 << 40, u64::MAX].iter().all(|ticks| rate.count(*ticks) > 0));
        }
    }

    proptest! {
        #[test]
        fn it_ends_at_the_moment_or_the_tick_after_unless_that_is_too_far(clock_ticks in 0..1_u64 << 40, ratio_32 in 1..1_u64 << 40) {
            let count = u128::from(Rate::new(ratio_32).count(clock_ticks));
            let exact = u128::from(clock_ticks) * u128::from(ratio_32);
            if exact < u128::from(u64::MAX - (1 << 33)) - u128::from(ratio_32) {
                prop_assert!(count << 32 > exact && (count - 1) << 32 <= exact);
            } else {
                prop_assert!(count << 32 <= exact + (1 << 32));
            }
        }
    }
}
