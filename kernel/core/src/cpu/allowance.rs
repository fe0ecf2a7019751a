//! How much of a CPU's time goes into work for others: timers that they have set, threads that they move or stop.
//!
//! Such work is done at the priority of whoever asked for it. What a more urgent thread than the one that runs has asked for is
//! done at once. For all others there is an allowance: so many pieces in a period, for those that are less urgent than the thread that
//! runs, and some more for its equals. When it is spent, what is left waits for the next period, and nobody interrupts the CPU for such
//! work any more until then: this is what [`Allowance::floor`] tells. A CPU on which nothing runs does all work at once.

use core::cell::Cell;

/// How long a period is: 500 us.
pub const PERIOD_NANOSECONDS: u64 = 500_000;
/// Pieces of work in a period for threads that are less urgent than the one that runs. Each costs an interrupt, some hundred
/// instructions: all together a few hundredths of the period on the slowest CPU.
pub const FOR_LESS_URGENT: u32 = 8;
/// Pieces of work in a period for threads that are as urgent as the one that runs: what is about their share of the CPU.
pub const FOR_EQUALS: u32 = 256;
/// Pieces of work in one interrupt, for whomever; the rest is done in the next one, which comes right after the others that
/// wait.
pub const MOST_AT_ONCE: usize = 32;

/// What one CPU may still do for others in this period. Moments are in clock ticks.
#[derive(Debug, Default)]
pub struct Allowance {
    /// When the period is over; 0 when none has begun.
    end: Cell<u64>,
    for_less_urgent: Cell<u32>,
    for_equals: Cell<u32>,
}

impl Allowance {
    /// No period has begun.
    #[must_use]
    pub const fn new() -> Self {
        Self { end: Cell::new(0), for_less_urgent: Cell::new(0), for_equals: Cell::new(0) }
    }

    /// When the period is over; what is held back until then is due again.
    #[must_use]
    #[inline]
    pub const fn end(&self) -> u64 {
        self.end.get()
    }

    /// The lowest priority for which work may be done at `now`, while a thread of priority `running` runs: 0 when all may. May be
    /// one above the highest priority.
    #[must_use]
    #[inline]
    pub fn floor(&self, now: u64, running: Option<u8>) -> u8 {
        let Some(running) = running else { return 0 };
        if now >= self.end.get() {
            return 0;
        }
        match (self.for_less_urgent.get(), self.for_equals.get()) {
            (_, 0) => running + 1,
            (0, _) => running,
            _ => 0,
        }
    }

    /// A piece of work is done at `now` for a thread of priority `work`, which is not below the floor. A period that begins lasts
    /// so many ticks.
    #[inline]
    pub fn spend(&self, now: u64, period: u64, running: Option<u8>, work: u8) {
        let Some(running) = running else { return };
        if work > running {
            return;
        }
        if now >= self.end.get() {
            self.end.set(now.saturating_add(period));
            self.for_less_urgent.set(FOR_LESS_URGENT);
            self.for_equals.set(FOR_EQUALS);
        }
        let left = if work < running { &self.for_less_urgent } else { &self.for_equals };
        left.set(left.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    const PERIOD: u64 = 1_000;

    #[test]
    fn what_is_more_urgent_and_what_nobody_competes_with_is_unlimited() {
        let allowance = Allowance::new();
        for _ in 0..10_000 {
            allowance.spend(5, PERIOD, None, 0);
            allowance.spend(5, PERIOD, Some(9), 10);
        }
        assert_eq!((allowance.floor(5, None), allowance.floor(5, Some(9))), (0, 0));
        (0..FOR_LESS_URGENT).for_each(|_| allowance.spend(5, PERIOD, Some(63), 2));
        assert_eq!(allowance.floor(6, Some(63)), 63);
        assert_eq!((allowance.floor(6, None), allowance.floor(5 + PERIOD, Some(63))), (0, 0));
        (0..FOR_EQUALS).for_each(|_| allowance.spend(6, PERIOD, Some(63), 63));
        assert_eq!(allowance.floor(6, Some(63)), 64);
    }

    proptest! {
        /// However work comes, in no two periods' time is more done than two allowances, and nothing waits longer than a period.
        #[test]
        fn the_allowance_is_kept(comes in proptest::collection::vec((0_u64..40, 0_u8..=3, 1_u8..=2), 0..2_000)) {
            let allowance = Allowance::new();
            let mut now = 0;
            let mut done = Vec::new();
            for (later, work, running) in comes {
                now += later;
                let floor = allowance.floor(now, Some(running));
                prop_assert!(floor <= running + 1);
                if floor > 0 {
                    prop_assert!(allowance.end() > now && allowance.end() <= now + PERIOD);
                }
                if work >= floor {
                    allowance.spend(now, PERIOD, Some(running), work);
                    done.push((now, work < running, work == running));
                }
            }
            for (start, ..) in &done {
                let within: Vec<_> = done.iter().filter(|(when, ..)| (*start..*start + PERIOD).contains(when)).collect();
                let less = within.iter().filter(|(_, less, _)| *less).count();
                let equal = within.iter().filter(|(.., equal)| *equal).count();
                prop_assert!(less <= 2 * FOR_LESS_URGENT as usize && equal <= 2 * FOR_EQUALS as usize);
            }
        }
    }
}
