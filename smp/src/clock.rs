//! Time for waits that must end.

/// A monotonic clock. Every wait of this crate ends by it.
///
/// A clock that gives the same value 10 million times running counts as stopped, and a wait by it as over: one that stands still
/// must not turn a wait into a hang. One that moves in coarse steps must move more often than that; readings of a
/// time-stamp counter do at each, and 10 million readings of a timer's register take a second or more.
///
/// ```
/// struct Nanoseconds(std::time::Instant);
///
/// impl smp::Clock for Nanoseconds {
///     fn now_ns(&self) -> u64 {
///         self.0.elapsed().as_nanos() as u64
///     }
/// }
/// ```
pub trait Clock {
    /// Nanoseconds since some fixed moment; never goes back on one CPU.
    fn now_ns(&self) -> u64;
}

impl<C: Clock + ?Sized> Clock for &C {
    fn now_ns(&self) -> u64 {
        (**self).now_ns()
    }
}

/// Readings of an unmoving clock after which a wait gives up. A clock that works moves within a few
/// readings; one that stands still must not turn a wait into a hang.
const UNMOVING_READINGS: u32 = 10_000_000;

/// A bounded wait.
#[derive(Debug)]
pub(crate) struct Wait<'c, C: ?Sized> {
    clock: &'c C,
    start_ns: u64,
    limit_ns: u64,
    last_ns: u64,
    unmoving: u32,
}

impl<'c, C: Clock + ?Sized> Wait<'c, C> {
    /// A wait of at most `limit_ns` nanoseconds, counted from now.
    pub(crate) fn new(clock: &'c C, limit_ns: u64) -> Self {
        let start_ns = clock.now_ns();
        Self { clock, start_ns, limit_ns, last_ns: start_ns, unmoving: 0 }
    }

    /// Nanoseconds since the wait began, read now.
    pub(crate) fn elapsed_ns(&self) -> u64 {
        self.clock.now_ns().saturating_sub(self.start_ns)
    }

    /// Tells whether the wait is over; to be asked once in each round of a loop.
    pub(crate) fn expired(&mut self) -> bool {
        let now_ns = self.clock.now_ns();
        self.unmoving = if now_ns == self.last_ns { self.unmoving + 1 } else { 0 };
        self.last_ns = now_ns;
        now_ns.saturating_sub(self.start_ns) >= self.limit_ns || self.unmoving >= UNMOVING_READINGS
    }

    /// Waits until `done` says so; tells whether it did before the time was over.
    pub(crate) fn until(&mut self, mut done: impl FnMut() -> bool) -> bool {
        loop {
            if done() {
                return true;
            }
            if self.expired() {
                // The last look comes after the last reading: a CPU that was kept off its core between
                // the two does not report as late what came in time.
                return done();
            }
            // One pause for each look, and not `crossbeam_utils::Backoff`, which pauses longer from look to look: what is waited
            // for is to be seen as soon as it is there, and nobody else wants the line.
            core::hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::*;

    struct Ticking(Cell<u64>);

    impl Clock for Ticking {
        fn now_ns(&self) -> u64 {
            self.0.set(self.0.get() + 10);
            self.0.get()
        }
    }

    struct Stopped;

    impl Clock for Stopped {
        fn now_ns(&self) -> u64 {
            7
        }
    }

    #[test]
    fn a_wait_ends_at_its_limit() {
        let clock = Ticking(Cell::new(0));
        let mut rounds = 0;
        assert!(!Wait::new(&clock, 100).until(|| {
            rounds += 1;
            false
        }));
        assert!((9..=12).contains(&rounds), "{rounds} rounds");
    }

    #[test]
    fn no_time_still_looks_once() {
        let clock = Ticking(Cell::new(0));
        assert!(Wait::new(&clock, 0).until(|| true));
        assert!(!Wait::new(&clock, 0).until(|| false));
    }

    #[test]
    fn a_stopped_clock_does_not_hang() {
        assert!(!Wait::new(&Stopped, u64::MAX).until(|| false));
    }
}
