//! The one clock of the machine.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use spin::Once;

use crate::arch::{TscClock, ticks};

static CLOCK: Once<TscClock> = Once::new();

/// Makes the clock known, once, before other CPUs run.
pub fn install_clock(clock: TscClock) -> &'static TscClock {
    CLOCK.call_once(|| clock)
}

/// The clock.
///
/// # Panics
/// Before [`install_clock`].
#[must_use]
pub fn clock() -> &'static TscClock {
    CLOCK.get().expect("the clock is installed before anything asks for the time")
}

/// The clock, once it is installed.
#[must_use]
pub fn try_clock() -> Option<&'static TscClock> {
    CLOCK.get()
}

/// Nanoseconds since the kernel started.
#[must_use]
pub fn nanoseconds_since_start() -> u64 {
    clock().now()
}

/// The moment so many nanoseconds after the clock's start, in clock ticks; saturates below `u64::MAX`.
#[must_use]
pub fn moment_at(nanoseconds: u64) -> u64 {
    clock().moment_at(nanoseconds).min(u64::MAX - 1)
}

/// The moment so many nanoseconds from now, in clock ticks; saturates below `u64::MAX`.
#[must_use]
pub fn moment_after(nanoseconds: u64) -> u64 {
    ticks().saturating_add(clock().ticks_in(nanoseconds)).min(u64::MAX - 1)
}
