//! The one clock of the machine.

use spin::Once;

use crate::arch::TscClock;

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
