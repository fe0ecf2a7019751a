//! Waiting with an end to it.

use crate::Kernel;

/// Nanoseconds of a microsecond.
pub const MICROSECOND: u64 = 1_000;
/// Nanoseconds of a millisecond.
pub const MILLISECOND: u64 = 1_000_000;
/// Nanoseconds of a second.
pub const SECOND: u64 = 1_000_000_000;

/// How long [`wait_until`] sleeps between two looks.
const LOOK_EVERY: u64 = 200 * MICROSECOND;

/// A point in time after which there is no use waiting.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(u64);

impl Deadline {
    /// That many nanoseconds from now.
    #[must_use]
    pub fn after(nanoseconds: u64) -> Self {
        Self(Kernel::clock().saturating_add(nanoseconds))
    }

    /// Nanoseconds left; 0 when it has passed.
    #[must_use]
    pub fn left(self) -> u64 {
        self.0.saturating_sub(Kernel::clock())
    }

    /// Whether it has passed.
    #[must_use]
    pub fn passed(self) -> bool {
        self.left() == 0
    }
}

/// Sleeps until the condition holds, at most that many nanoseconds; answers whether it holds.
#[must_use]
pub fn wait_until(nanoseconds: u64, condition: impl Fn() -> bool) -> bool {
    let deadline = Deadline::after(nanoseconds);
    while !condition() {
        if deadline.passed() {
            return condition();
        }
        Kernel::sleep(LOOK_EVERY);
    }
    true
}
