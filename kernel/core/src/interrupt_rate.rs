//! When interrupts come too often to be of use.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

/// Interrupts of one source that are looked at together, so that the clock is read once for all of them.
pub const BATCH: u32 = 1000;
/// Nanoseconds that so many must take at least: 200,000 interrupts a second are more than devices raise that are served,
/// and leave a CPU little time for anything else.
pub const SHORTEST_BATCH_NS: u64 = 5_000_000;

/// A batch of interrupts came too fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Storm {
    /// Nanoseconds that [`BATCH`] interrupts took.
    pub nanoseconds: u64,
}

/// How often one source interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    left: u32,
    since: u64,
}

impl Rate {
    /// Begins a batch at this moment, in nanoseconds.
    #[must_use]
    #[inline]
    pub const fn new(now: u64) -> Self {
        Self { left: BATCH, since: now }
    }

    /// Counts one interrupt; answers the storm that it completes. Asks for the moment, in nanoseconds, once a batch.
    #[inline(always)]
    #[must_use]
    pub fn count(&mut self, now: impl FnOnce() -> u64) -> Option<Storm> {
        // A batch ends before.
        self.left = self.left.wrapping_sub(1);
        if self.left == 0 { self.end_batch(now()) } else { None }
    }

    /// Counts one interrupt that does not end a batch; `false` if it does, for [`Self::count`].
    #[inline(always)]
    #[must_use]
    pub const fn count_within(&mut self) -> bool {
        let is_within = self.left > 1;
        self.left = self.left.wrapping_sub(is_within as u32);
        is_within
    }

    #[cold]
    fn end_batch(&mut self, now: u64) -> Option<Storm> {
        let nanoseconds = now.saturating_sub(self.since);
        *self = Self::new(now);
        (nanoseconds < SHORTEST_BATCH_NS).then_some(Storm { nanoseconds })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BATCH, Rate, SHORTEST_BATCH_NS, Storm};

    /// Interrupts at even distances; answers after how many the first storm was found.
    fn first_storm(distance: u64, count: u32) -> Option<(u32, Storm)> {
        let mut rate = Rate::new(0);
        (1..=count).find_map(|number| rate.count(|| u64::from(number) * distance).map(|storm| (number, storm)))
    }

    #[test]
    fn the_limit_is_a_rate() {
        let limit = SHORTEST_BATCH_NS / u64::from(BATCH);
        assert_eq!(first_storm(limit, 10 * BATCH), None);
        let expected = Storm { nanoseconds: (limit - 1) * u64::from(BATCH) };
        assert_eq!(first_storm(limit - 1, BATCH), Some((BATCH, expected)));
    }

    #[test]
    fn a_quiet_time_is_no_credit_for_a_storm() {
        let mut rate = Rate::new(0);
        let quiet = 1_000_000_000;
        let found = (0..2 * BATCH).filter_map(|_| rate.count(|| quiet)).count();
        assert_eq!(found, 1, "the batch after the one with the quiet time in it");
    }

    #[test]
    fn the_fast_path_counts_the_same_and_leaves_the_last_of_a_batch() {
        let (mut short, mut long) = (Rate::new(0), Rate::new(0));
        for number in 1..=3 * BATCH {
            let is_within = short.count_within();
            assert_eq!(is_within, number % BATCH != 0);
            let storm = long.count(|| u64::from(number));
            if !is_within {
                assert_eq!(short.count(|| u64::from(number)), storm);
            }
            assert_eq!(short, long);
        }
    }

    proptest! {
        /// However they are spread: a storm is found if a whole batch is too short, and only then.
        #[test]
        fn storms_are_short_batches(distances in proptest::collection::vec(0..10_000_u64, 0..5_000)) {
            let mut rate = Rate::new(0);
            let (mut now, mut begun, mut number) = (0, 0, 0);
            for distance in distances {
                now += distance;
                number += 1;
                let storm = rate.count(|| now);
                if number % BATCH == 0 {
                    prop_assert_eq!(storm.is_some(), now - begun < SHORTEST_BATCH_NS);
                    begun = now;
                } else {
                    prop_assert_eq!(storm, None);
                }
            }
        }
    }
}
