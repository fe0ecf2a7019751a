//! What a CPU keeps for its NMI handler.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use percpu::{CpuShared, per_cpu};

per_cpu! {
    /// What this CPU keeps for its NMI handler.
    pub static NMI: CpuShared<NmiState> = NmiState::new();
}

/// A request by NMI: stop for ever.
pub const NMI_STOP: u64 = 1;
/// A request by NMI: tell what it is doing, and go on.
pub const NMI_DUMP: u64 = 2;

/// One CPU's NMI state.
#[derive(Debug)]
pub struct NmiState {
    /// A handler is running here.
    active: AtomicBool,
    /// NMIs that found nothing to do.
    unexpected: AtomicU64,
    /// Asked of this CPU by NMI: [`NMI_STOP`] and [`NMI_DUMP`].
    requests: AtomicU64,
}

impl NmiState {
    const fn new() -> Self {
        Self { active: AtomicBool::new(false), unexpected: AtomicU64::new(0), requests: AtomicU64::new(0) }
    }

    /// Leaves a request for the NMI that the caller sends next.
    pub fn request(&self, request: u64) {
        self.requests.fetch_or(request, Ordering::SeqCst);
    }

    /// What was requested and not yet taken.
    #[must_use]
    pub fn take_requests(&self) -> u64 {
        self.requests.swap(0, Ordering::SeqCst)
    }

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
