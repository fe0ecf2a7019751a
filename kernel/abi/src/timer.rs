//! Timers.

use zerocopy::{FromBytes, Immutable, IntoBytes};

/// What a timer has done. While it may be firing the three numbers need not belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes)]
#[repr(C)]
pub struct TimerFirings {
    /// How often it has fired.
    pub count: u64,
    /// When it was to fire the last time, in nanoseconds of the clock.
    pub due: u64,
    /// When it did, in nanoseconds of the clock.
    pub fired: u64,
}
