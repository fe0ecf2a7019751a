//! The meeting of all CPUs when a machine check is told to every one of them: each must have read its banks before any
//! empties them, as CPUs share banks.
//!
//! Each CPU counts the machine checks that it enters. They are told to all, so the counts are the same when all have come. A
//! CPU that does not come within the time is counted as if it had, so that the next meeting begins with equal counts.

use core::sync::atomic::{AtomicU64, Ordering};

/// Enters a machine check: counts it in `own` and waits until every one of `all` has counted as many, or until `over` says
/// that the time is. Answers whether all came.
pub fn meet<'count>(
    own: &AtomicU64,
    all: impl Iterator<Item = &'count AtomicU64> + Clone,
    mut over: impl FnMut() -> bool,
) -> bool {
    // Release: what this CPU has read of its banks comes before; acquire below: others empty theirs after.
    let number = own.fetch_add(1, Ordering::AcqRel) + 1;
    let missing = || all.clone().filter(move |count| count.load(Ordering::Acquire) < number);
    while missing().next().is_some() {
        if over() {
            for count in missing() {
                count.fetch_max(number, Ordering::AcqRel);
            }
            return false;
        }
        core::hint::spin_loop();
    }
    true
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::AtomicU32;
    use std::thread;

    use super::*;

    #[test]
    fn nobody_goes_on_before_all_have_come() {
        const CPUS: usize = 4;
        let counts: [AtomicU64; CPUS] = Default::default();
        let read = AtomicU32::new(0);
        let barrier = Barrier::new(CPUS);
        thread::scope(|scope| {
            for own in &counts {
                let (counts, read, barrier) = (&counts, &read, &barrier);
                scope.spawn(move || {
                    for round in 1..=100 {
                        read.fetch_add(1, Ordering::Relaxed);
                        assert!(meet(own, counts.iter(), || false));
                        assert!(read.load(Ordering::Relaxed) >= CPUS as u32 * round);
                        barrier.wait();
                    }
                });
            }
        });
    }

    #[test]
    fn who_does_not_come_is_not_waited_for_twice() {
        let counts: [AtomicU64; 2] = Default::default();
        let mut polls = 0;
        assert!(!meet(&counts[0], counts.iter(), || {
            polls += 1;
            polls == 10
        }));
        assert_eq!(counts.each_ref().map(|count| count.load(Ordering::Relaxed)), [1, 1]);
        // Late, it meets nobody, and afterwards the counts are equal again.
        assert!(!meet(&counts[1], counts.iter(), || true));
        assert_eq!(counts.each_ref().map(|count| count.load(Ordering::Relaxed)), [2, 2]);
    }
}
