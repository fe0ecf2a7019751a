//! What follows for the rate of the time-stamp counter from comparisons with other clocks, each of which a host may have disturbed.
//!
//! Every comparison bounds the rate from both sides, whenever and for however long the host stops the CPU in between: what was read
//! between two readings of the counter was read at some time between them. Comparisons that all hold meet in a narrower range. What
//! one reading that is wrong says is outvoted (Marzullo's algorithm: Keith Marzullo, "Maintaining the Time in a Distributed
//! System", 1984).

/// What a rate may be, in ticks a second, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateRange {
    /// At least.
    pub low: u64,
    /// At most.
    pub high: u64,
}

/// Two clocks compared over an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Ticks of the time-stamp counter right before and right after the reference was read first.
    pub begin: (u64, u64),
    /// The same for the last reading.
    pub end: (u64, u64),
    /// Ticks of the reference in between, each end within one tick.
    pub reference_ticks: u64,
    /// Ticks of the reference a second.
    pub reference_hertz: u64,
}

impl Comparison {
    /// What follows for the time-stamp counter; `None` where nothing does.
    #[must_use]
    pub fn range(&self) -> Option<RateRange> {
        // Each reading is a whole number of ticks, the moment itself up to a tick later.
        let least = u128::from(self.end.0.saturating_sub(self.begin.1).saturating_sub(1));
        let most = u128::from(self.end.1.checked_sub(self.begin.0)?) + 1;
        let ticks = u128::from(self.reference_ticks);
        let hertz = u128::from(self.reference_hertz);
        if ticks < 2 || hertz == 0 || most == 1 {
            return None;
        }
        let low = u64::try_from(least * hertz / (ticks + 1)).ok()?;
        let high = u64::try_from((most * hertz).div_ceil(ticks - 1)).ok()?;
        (low <= high).then_some(RateRange { low, high })
    }
}

impl RateRange {
    /// What a source says that may be off by so many parts per million.
    #[must_use]
    pub fn around(hertz: u64, error_ppm: u64) -> Self {
        let error = u64::try_from((u128::from(hertz) * u128::from(error_ppm)).div_ceil(1_000_000)).unwrap_or(u64::MAX);
        Self { low: hertz.saturating_sub(error), high: hertz.saturating_add(error) }
    }

    /// How far the true rate may be below the upper end, in parts per million of that, rounded up.
    #[must_use]
    pub fn width_ppm(self) -> u64 {
        let width = u128::from(self.high - self.low) * 1_000_000;
        u64::try_from(width.div_ceil(u128::from(self.high.max(1)))).unwrap_or(u64::MAX)
    }

    /// The range that lies in both; `None` if there is none.
    #[must_use]
    pub fn meet(self, other: Self) -> Option<Self> {
        let met = Self { low: self.low.max(other.low), high: self.high.min(other.high) };
        (met.low <= met.high).then_some(met)
    }

    /// The range that holds both.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    /// The same for clocks whose crystals may be off by so many parts per million.
    #[must_use]
    pub fn widened(self, error_ppm: u64) -> Self {
        Self { low: Self::around(self.low, error_ppm).low, high: Self::around(self.high, error_ppm).high }
    }
}

/// A range that is narrow enough, in parts per million: it needs no further try.
pub const GOOD_PPM: u64 = 500;
/// Tries with one reference, at most and at least.
pub const TRIES: usize = 12;
const LEAST_TRIES: usize = 2;
/// What two crystals may differ by, in parts per million.
pub const CRYSTALS_PPM: u64 = 500;
/// A range that is wider is told on the console.
pub const TOLD_PPM: u64 = 2_000;
/// With a range that is wider the machine does not start: nothing that has to do with time would hold.
pub const REFUSED_PPM: u64 = 200_000;

/// Polls after which a reference clock is taken for dead. Each poll is a port access, 100 ns at the very least on
/// hardware and emulators alike, so that 10 ms fit many times over.
pub const POLL_LIMIT: u64 = 1_000_000;
/// Readings of which the shortest is taken.
const READINGS: u64 = 8;

/// The value of a reference, and the time-stamp counter right before and right after it was read.
pub type Reading = (u64, (u64, u64));

/// Compares with a reference that counts. `read` reads it, or finds that it has counted too far; `passed` tells the ticks between two
/// values. At either end the reading is taken that the host has disturbed least. `None` if the reference does not reach so many ticks,
/// or was not read when it had.
pub fn compare(
    mut read: impl FnMut() -> Option<Reading>,
    passed: impl Fn(u64, u64) -> u64,
    wanted: u64,
    hertz: u64,
) -> Option<Comparison> {
    let length = |(_, (before, after)): &Reading| after.wrapping_sub(*before);
    let mut first = read()?;
    for _ in 1..READINGS {
        let next = read()?;
        if length(&next) < length(&first) {
            first = next;
        }
    }
    let mut last: Option<Reading> = None;
    let mut left = READINGS;
    for _ in 0..POLL_LIMIT {
        // What was found before it counted too far holds.
        let Some(next) = read() else { break };
        if passed(first.0, next.0) >= wanted {
            last = Some(last.filter(|last| length(last) <= length(&next)).unwrap_or(next));
            left -= 1;
            if left == 0 {
                break;
            }
        }
        core::hint::spin_loop();
    }
    let last = last?;
    let reference_ticks = passed(first.0, last.0);
    Some(Comparison { begin: first.1, end: last.1, reference_ticks, reference_hertz: hertz })
}

/// What most of the ranges agree on: the range that lies in as many as possible, the lowest one of several. With none, or where only
/// one agrees with itself and others do not, `None`.
#[must_use]
pub fn majority(ranges: &[RateRange]) -> Option<RateRange> {
    let holding = |point: u64| ranges.iter().filter(move |range| (range.low..=range.high).contains(&point));
    // Where most ranges overlap, one of them begins.
    let mut best: Option<(usize, u64)> = None;
    for point in ranges.iter().map(|range| range.low) {
        let count = holding(point).count();
        if best.is_none_or(|(most, at)| count > most || count == most && point < at) {
            best = Some((count, point));
        }
    }
    let (count, point) = best?;
    if count * 2 <= ranges.len() {
        return None;
    }
    holding(point).copied().reduce(|met, range| met.meet(range).unwrap_or(met))
}

/// Compares with one reference until the range is narrow enough, at most [`TRIES`] times. A try that finds nothing counts. `None` if
/// no try found anything, or the tries contradict each other.
pub fn narrow(mut compare: impl FnMut() -> Option<Comparison>) -> Option<RateRange> {
    let mut ranges = heapless::Vec::<RateRange, TRIES>::new();
    let mut found = None;
    for _ in 0..TRIES {
        let Some(range) = compare().and_then(|comparison| comparison.range()) else { continue };
        // There is room for one of each try.
        let _room = ranges.push(range);
        found = majority(&ranges);
        if ranges.len() >= LEAST_TRIES && found.is_some_and(|found| found.width_ppm() <= GOOD_PPM) {
            break;
        }
    }
    found
}

/// What is believed of the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Belief {
    /// The rate may be anything in here, if the sources are right.
    pub range: RateRange,
    /// The two sources do not agree.
    pub disputed: bool,
}

/// Joins what two sources say. Where they agree, but for their crystals, the narrower one is right. Where they do not, the rate may
/// be what either says.
#[must_use]
pub fn weigh(first: Option<RateRange>, second: Option<RateRange>) -> Option<Belief> {
    let (Some(first), Some(second)) = (first, second) else {
        return first.or(second).map(|range| Belief { range, disputed: false });
    };
    let agree = first.widened(CRYSTALS_PPM).meet(second.widened(CRYSTALS_PPM)).is_some();
    let range = match agree {
        true if second.width_ppm() < first.width_ppm() => second,
        true => first,
        false => first.join(second),
    };
    Some(Belief { range, disputed: !agree })
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// A machine whose host stops it when it likes; all its clocks go on meanwhile.
    #[derive(Debug)]
    struct Machine {
        /// Nanoseconds.
        now: u128,
        counter_hertz: u64,
        reference_hertz: u64,
        /// How long each step takes, in nanoseconds, in turn.
        steps: Vec<u32>,
        taken: usize,
    }

    impl Machine {
        fn step(&mut self) {
            self.now += u128::from(self.steps[self.taken % self.steps.len()]) + 1;
            self.taken += 1;
        }

        fn counter(&mut self) -> u64 {
            self.step();
            (self.now * u128::from(self.counter_hertz) / 1_000_000_000) as u64
        }

        fn reference(&mut self) -> (u64, (u64, u64)) {
            let before = self.counter();
            self.step();
            let value = (self.now * u128::from(self.reference_hertz) / 1_000_000_000) as u64;
            (value, (before, self.counter()))
        }

        /// Compares over a millisecond, with a reference that has counted too far after so many ticks.
        fn compare(&mut self, too_far: u64) -> Option<Comparison> {
            let start = self.reference().0;
            let hertz = self.reference_hertz;
            let read = || Some(self.reference()).filter(|(value, _)| value - start < too_far);
            compare(read, |first, now| now - first, hertz / 1_000, hertz)
        }
    }

    fn machine() -> impl Strategy<Value = Machine> {
        let step = prop_oneof![30 => 0_u32..3_000, 1 => 0_u32..60_000_000];
        (10_000_000_u64..6_000_000_000, 1_000_000_u64..20_000_000, proptest::collection::vec(step, 1..400)).prop_map(
            |(counter_hertz, reference_hertz, steps)| Machine {
                now: 0,
                counter_hertz,
                reference_hertz,
                steps,
                taken: 0,
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whenever the host stops the machine, the true rate is in the range: to believe its upper end makes no time short.
        #[test]
        fn the_true_rate_is_in_the_range_whatever_the_host_does(mut machine in machine(), ends in any::<bool>()) {
            let too_far = if ends { machine.reference_hertz / 200 } else { u64::MAX };
            let found = narrow(|| machine.compare(too_far));
            prop_assert!(ends || found.is_some(), "every try compares");
            let Some(found) = found else { return Ok(()) };
            prop_assert!((found.low..=found.high).contains(&machine.counter_hertz), "{found:?}, is {}", machine.counter_hertz);
        }

        /// A minority of tries in which one of the two clocks stood still does not matter.
        #[test]
        fn a_minority_of_wrong_tries_is_outvoted(
            rate in 1_000_000_u64..5_000_000_000,
            errors in proptest::collection::vec(1_u64..5_000, 3..7),
            wrong in proptest::collection::vec((1_u64..10, any::<bool>()), 0..3),
        ) {
            let mut ranges: Vec<_> = errors.iter().map(|error| RateRange::around(rate, *error)).collect();
            ranges.extend(wrong.iter().map(|(factor, more)| {
                let rate = if *more { rate * (factor + 1) } else { rate / (factor + 1) };
                RateRange::around(rate, 1_000)
            }));
            let found = majority(&ranges).expect("most are right");
            prop_assert!((found.low..=found.high).contains(&rate));
            prop_assert!(found.width_ppm() <= 2 * errors.iter().min().unwrap() + 2);
        }

        #[test]
        fn no_numbers_break_it(begin in any::<(u64, u64)>(), end in any::<(u64, u64)>(), reference in any::<(u64, u64)>()) {
            let comparison = Comparison { begin, end, reference_ticks: reference.0, reference_hertz: reference.1 };
            if let Some(range) = comparison.range() {
                prop_assert!(range.low <= range.high);
                let _width = RateRange::around(range.high, u64::MAX).width_ppm();
            }
        }
    }

    #[test]
    fn an_interval_that_was_over_at_the_first_look_bounds_from_above_alone() {
        let over = Comparison {
            begin: (100, 200),
            end: (200, 50_000_200),
            reference_ticks: 11_931,
            reference_hertz: 1_193_182,
        };
        let range = over.range().expect("the upper end");
        assert!(range.low == 0 && range.high > 5_000_000_000 && range.width_ppm() == 1_000_000, "{range:?}");
        // The next try, undisturbed, decides.
        let good = Comparison { end: (20_000_200, 20_000_300), ..over };
        let mut tries = [over, good, good].into_iter();
        let found = narrow(|| tries.next()).expect("three tries");
        assert!(found.width_ppm() <= GOOD_PPM && (found.low..=found.high).contains(&2_000_200_000), "{found:?}");
    }

    #[test]
    fn tries_that_fail_do_not_end_it() {
        let good = Comparison {
            begin: (0, 10),
            end: (20_000_000, 20_000_010),
            reference_ticks: 100_000,
            reference_hertz: 10_000_000,
        };
        let mut count = 0;
        let found = narrow(|| {
            count += 1;
            (count >= TRIES - 1).then_some(good)
        });
        assert_eq!((count, found), (TRIES, good.range()));
        assert_eq!(narrow(|| None), None);
        let mut rates = [1_000_000_000, 2_000_000_000].into_iter().cycle();
        let contradicting = narrow(|| {
            let ticks = rates.next()? / 100;
            Some(Comparison { end: (ticks, ticks + 5_000_000), ..good })
        });
        assert_eq!(contradicting, None);
    }

    #[test]
    fn sources_that_agree_give_the_narrower_range_and_others_all_that_either_says() {
        let (near, wide) = (RateRange::around(1_000_000_000, 10), RateRange::around(1_000_100_000, 300));
        assert_eq!(weigh(Some(near), Some(wide)), Some(Belief { range: near, disputed: false }));
        assert_eq!(weigh(Some(wide), Some(near)), Some(Belief { range: near, disputed: false }));
        assert_eq!(weigh(None, Some(wide)), Some(Belief { range: wide, disputed: false }));
        assert_eq!(weigh(None, None), None);
        let double = RateRange::around(2_000_000_000, 10);
        assert_eq!(weigh(Some(near), Some(double)), Some(Belief { range: near.join(double), disputed: true }));
    }
}
