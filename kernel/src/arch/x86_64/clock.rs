//! The time-stamp counter as the kernel's clock.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

/// Nanoseconds in a second.
const SECOND: u128 = 1_000_000_000;
/// The time-stamp counter.
#[must_use]
#[inline(always)]
pub fn ticks() -> u64 {
    // SAFETY: every x86-64 CPU has RDTSC; CR4.TSD does not bind ring 0.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// A clock made of the time-stamp counter. All CPUs of the machine must count in step.
///
/// The rate given is the highest that the counter may have: then the clock is late by what is not known, and a wait that is made of
/// it is never shorter than it should be.
#[derive(Clone, Copy, Debug)]
pub struct TscClock {
    start: u64,
    hertz: u64,
    /// Nanoseconds a tick, times 2^32.
    nanoseconds_32: u64,
    /// Ticks a nanosecond, times 2^32.
    ticks_32: u64,
}

impl TscClock {
    /// A clock that starts now.
    ///
    /// # Panics
    /// If the frequency is 0.
    #[must_use]
    pub fn new(hertz: u64) -> Self {
        assert!(hertz > 0, "a clock must tick");
        let nanoseconds_32 = (SECOND << 32).checked_div(hertz.into()).map_or(u64::MAX, |quotient| quotient as u64);
        let ticks_32 = ((u128::from(hertz) << 32) / SECOND) as u64;
        Self { start: ticks(), hertz, nanoseconds_32, ticks_32 }
    }

    /// Ticks a second.
    #[must_use]
    pub const fn hertz(&self) -> u64 {
        self.hertz
    }

    /// The duration of so many ticks, in whole nanoseconds; saturates.
    #[must_use]
    pub const fn nanoseconds(&self, ticks: u64) -> u64 {
        // The product of two numbers of 64 bits.
        let nanoseconds = (ticks as u128).wrapping_mul(self.nanoseconds_32 as u128) >> 32;
        if nanoseconds > u64::MAX as u128 { u64::MAX } else { nanoseconds as u64 }
    }

    /// Ticks whose [`duration`](Self::nanoseconds) is at least so many nanoseconds, and hardly more; saturates. Waits that
    /// are made of it do not end early by this clock.
    #[must_use]
    pub const fn ticks_in(&self, nanoseconds: u64) -> u64 {
        let mut ticks = self.about(nanoseconds);
        loop {
            let reached = self.nanoseconds(ticks);
            if reached >= nanoseconds || ticks == u64::MAX {
                return ticks;
            }
            ticks = ticks.saturating_add(self.about(nanoseconds.saturating_sub(reached))).saturating_add(1);
        }
    }

    /// Ticks in so many nanoseconds, rounded down, to a few parts in ten billion.
    const fn about(&self, nanoseconds: u64) -> u64 {
        let ticks = (nanoseconds as u128).wrapping_mul(self.ticks_32 as u128) >> 32;
        if ticks > u64::MAX as u128 { u64::MAX } else { ticks as u64 }
    }

    /// The value of the time-stamp counter so many nanoseconds after the clock started; saturates.
    #[must_use]
    pub const fn moment_at(&self, nanoseconds: u64) -> u64 {
        self.start.saturating_add(self.ticks_in(nanoseconds))
    }

    /// Nanoseconds from the start of the clock to a value of the time-stamp counter; 0 for one before.
    #[must_use]
    pub const fn time_of(&self, moment: u64) -> u64 {
        self.nanoseconds(moment.saturating_sub(self.start))
    }

    /// Nanoseconds since the clock started.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.nanoseconds(ticks().wrapping_sub(self.start))
    }
}

impl smp::Clock for TscClock {
    fn now_ns(&self) -> u64 {
        self.now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions_are_exact_to_a_few_parts_in_a_billion() {
        for hertz in [1_000_000_000, 2_596_000_000, 24_000_000, 5_000_000_000] {
            let clock = TscClock::new(hertz);
            for seconds in [1, 10, 3_600, 86_400] {
                let expected = seconds * 1_000_000_000;
                let error = clock.nanoseconds(seconds * hertz).abs_diff(expected);
                assert!(error <= expected / 100_000_000 + 1, "{hertz} Hz, {seconds} s: {error} ns");
                let error = clock.ticks_in(expected).abs_diff(seconds * hertz);
                assert!(error <= seconds * hertz / 10_000_000 + 1, "{hertz} Hz, {seconds} s: {error} ticks");
            }
        }
    }

    #[test]
    fn waits_are_never_shorter_than_asked() {
        for hertz in [1_000_000_000, 2_596_123_457, 24_000_000, 3, 5_000_000_000] {
            let clock = TscClock::new(hertz);
            for nanoseconds in [0, 1, 2, 3, 999, 1_000_003, 1_000_000_007, 86_400_000_000_001, 31_557_600_000_000_019] {
                let ticks = clock.ticks_in(nanoseconds);
                assert!(clock.nanoseconds(ticks) >= nanoseconds, "{hertz} Hz, {nanoseconds} ns");
                assert!(
                    ticks < 2 || clock.nanoseconds(ticks - 2) <= nanoseconds,
                    "{hertz} Hz, {nanoseconds} ns: too long"
                );
            }
        }
    }

    #[test]
    fn absurd_durations_saturate() {
        assert_eq!(TscClock::new(5_000_000_000).ticks_in(u64::MAX), u64::MAX);
    }
}
