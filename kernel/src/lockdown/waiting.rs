//! Waiting for other CPUs when nothing is certain any more.

use crate::clock;

/// Polls of a wait without a clock: some 100 ms.
const POLLS: u32 = 10_000_000;

/// Waits until `done` or until the nanoseconds are over; answers whether it was done. Works before there is a clock.
pub(super) fn wait(nanoseconds: u64, done: impl Fn() -> bool) -> bool {
    let now = || clock::try_clock().map(|clock| clock.now());
    let deadline = now().map(|start| start.saturating_add(nanoseconds));
    let mut polls = 0;
    while !done() {
        let over = match (now(), deadline) {
            (Some(now), Some(deadline)) => now > deadline,
            _ => polls == POLLS,
        };
        if over {
            return done();
        }
        polls += 1;
        core::hint::spin_loop();
    }
    true
}
