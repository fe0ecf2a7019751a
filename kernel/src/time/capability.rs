//! Timers, as capabilities hold them.

use alloc::sync::Arc;

use super::Timer;
use crate::cpu;
use crate::memory::fallible::{self, OutOfHeap};
use crate::object::register_object;

/// A capability of a timer. With the last one the timer is cleared.
#[derive(Clone, Debug)]
pub struct TimerCapability(Arc<Held>);

register_object!(TimerCapability, "timer");

/// A timer that programs hold. Timer list and inbox keep the timer itself alive, so its own count does not tell when the last
/// capability goes.
#[derive(Debug)]
struct Held(Arc<Timer>);

impl TimerCapability {
    /// The first capability of a timer.
    ///
    /// # Errors
    /// [`OutOfHeap`].
    pub fn new(timer: Arc<Timer>) -> Result<Self, OutOfHeap> {
        fallible::new_arc(Held(timer)).map(Self)
    }

    /// The timer.
    #[must_use]
    pub fn timer(&self) -> &Arc<Timer> {
        &self.0.0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.abandon(&cpu::this());
    }
}
