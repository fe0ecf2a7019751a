//! A CPU's own free frames, so that allocating takes no global lock.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use percpu::{CpuShared, per_cpu};

use crate::cpu;

per_cpu! {
    /// This CPU's free frames. Only it puts and takes; anybody may count.
    pub static FRAME_CACHE: CpuShared<FrameCache> = FrameCache::new();
}

/// The frame cache of the calling CPU, for the frame allocator; none before the table of CPUs is made.
#[must_use]
pub fn find_cache() -> Option<&'static FrameCache> {
    // The first CPU's block is in use since before the table was made, and any other CPU loads its own before it allocates.
    cpu::are_known().then(|| FRAME_CACHE.of(cpu::this()))
}

/// Frames that go to or from the global pool in one visit.
pub(super) const BATCH: usize = 32;

/// Free frames of one CPU, at most [`Self::CAPACITY`].
///
/// Only that CPU changes it, with interrupts off; the fields are atomics so that other CPUs may read
/// [`Self::count`], not to order anything. Should two CPUs use one cache by mistake the frame table notices the frame
/// that is handed out twice.
#[derive(Debug)]
pub struct FrameCache {
    count: AtomicUsize,
    frames: [AtomicU64; Self::CAPACITY],
}

impl FrameCache {
    /// The most frames that a CPU holds.
    pub const CAPACITY: usize = 2 * BATCH;

    /// An empty cache.
    #[must_use]
    pub const fn new() -> Self {
        Self { count: AtomicUsize::new(0), frames: [const { AtomicU64::new(0) }; Self::CAPACITY] }
    }

    /// Frames in the cache. Any CPU may ask; the answer is of a moment ago.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Takes the frame that was put in last.
    pub(super) fn pop(&self) -> Option<u64> {
        let last = self.count().checked_sub(1)?;
        self.count.store(last, Ordering::Relaxed);
        Some(self.frames[last].load(Ordering::Relaxed))
    }

    /// Puts a frame in; `false` when there is no room.
    pub(super) fn push(&self, address: u64) -> bool {
        let count = self.count();
        let Some(slot) = self.frames.get(count) else { return false };
        slot.store(address, Ordering::Relaxed);
        self.count.store(count + 1, Ordering::Relaxed);
        true
    }
}

impl Default for FrameCache {
    fn default() -> Self {
        Self::new()
    }
}
