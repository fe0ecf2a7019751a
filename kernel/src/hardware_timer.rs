//! One CPU's timer: a one-shot that is armed for the earliest thing that matters, and for nothing else.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use core::cell::Cell;

use percpu::{CpuLocal, per_cpu};
use smp::local_apic::TimerMode;
use spin::Once;

use crate::arch::{KernelInterrupt, ticks};
use crate::cpu::ThisCpu;

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

per_cpu! {
    /// What this CPU's timer is armed for, in clock ticks; `u64::MAX` when it is not.
    pub static ARMED: CpuLocal<Cell<u64>> = Cell::new(u64::MAX);
}

/// Makes the timer known, once, before any thread runs; and sets the calling CPU's up. Every CPU calls this.
pub fn install_timer(cpu: &ThisCpu, timer: HardwareTimer) {
    let timer = TIMER.call_once(|| timer);
    cpu.apic().set_timer(match timer {
        HardwareTimer::Deadline => TimerMode::TscDeadline { vector: KernelInterrupt::Timer.vector() },
        HardwareTimer::CountDown(_) => TimerMode::OneShot { vector: KernelInterrupt::Timer.vector() },
    });
}

/// Arms this CPU's timer for a moment, in clock ticks, unless it is armed for an earlier one.
pub fn arm(cpu: &ThisCpu, moment: u64) {
    if moment >= ARMED.of(cpu).get() {
        return;
    }
    ARMED.of(cpu).set(moment);
    match TIMER.get() {
        Some(timer) => timer.program(cpu, moment, ticks()),
        None => unreachable!("the timer is installed before anything waits"),
    }
}

/// The timer, once it is known.
#[must_use]
#[inline(always)]
pub fn hardware_timer() -> Option<&'static HardwareTimer> {
    TIMER.get()
}

impl HardwareTimer {
    /// Tells the hardware of this CPU the moment; `now` is the clock's reading of a moment ago.
    #[inline(always)]
    pub fn program(&self, cpu: &ThisCpu, moment: u64, now: u64) {
        match self {
            Self::Deadline => cpu.apic().arm_deadline(moment),
            Self::CountDown(rate) => {
                cpu.apic().arm_one_shot(rate.count(moment.saturating_sub(now)));
            }
        }
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
