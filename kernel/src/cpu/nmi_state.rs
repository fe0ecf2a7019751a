//! What a CPU keeps for its NMI handler.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// One CPU's NMI state.
#[derive(Debug, Default)]
pub struct NmiState {
    /// A handler is running here.
    active: AtomicBool,
    /// NMIs that found nothing to do.
    unexpected: AtomicU64,
}

impl NmiState {
    /// NMIs that found nothing to do: nobody had asked, or whoever asked was served together with another.
    #[must_use]
    pub fn unexpected(&self) -> u64 {
        self.unexpected.load(Ordering::Relaxed)
    }

    /// Whether a handler is running here.
    #[must_use]
    #[inline(always)]
    pub fn is_active(&self) -> bool {
        self.active.load(Ordering::Relaxed)
    }

    /// A handler begins here, or has come to its end.
    #[inline(always)]
    pub fn set_active(&self, active: bool) {
        self.active.store(active, Ordering::Relaxed);
    }

    /// One found nothing to do. Only this CPU counts, and a nested NMI comes between two instructions at worst: then one is not
    /// counted.
    #[inline(always)]
    pub fn count_unexpected(&self) {
        self.unexpected.store(self.unexpected.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
}
