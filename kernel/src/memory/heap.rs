//! The kernel heap: the global allocator.
//!
//! `talc` under a spin lock, usable on every CPU with interrupts off. It grows in the kernel's area when it is
//! full and does not shrink; its frames are counted apart from frames in use.

use core::alloc::Layout;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

use talc::base::Talc;
use talc::base::binning::Binning;
use talc::source::Source;
use talc::{TalcLock, min_first_heap_size};

use super::kernel_space;
use super::layout::{HEAP_BASE, HEAP_SIZE, PAGE_SIZE};
use crate::sync::CountedLock;

/// The least that the heap grows by.
const LEAST_GROWTH: u64 = 256 * 1024;

/// What a block needs besides its own bytes, rounded up generously.
const BLOCK_OVERHEAD: u64 = 128;

type Heap = TalcLock<CountedLock, KernelArea>;

// On the host the standard library's allocator serves tests.
#[cfg_attr(target_os = "none", global_allocator)]
static HEAP: Heap = TalcLock::new(KernelArea { end: None, mapped: 0 });

/// Bytes mapped from [`HEAP_BASE`].
static MAPPED: AtomicU64 = AtomicU64::new(0);

static FRAMES: AtomicU64 = AtomicU64::new(0);

/// What the heap holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapCounters {
    /// Bytes of live allocations, as they were asked for.
    pub bytes_in_use: u64,
    /// Frames that the heap took from the frame allocator, page tables for it included.
    pub frames: u64,
}

/// The counters, of this moment.
#[must_use]
pub fn counters() -> HeapCounters {
    HeapCounters { bytes_in_use: HEAP.lock().counters().allocated_bytes as u64, frames: FRAMES.load(Ordering::Relaxed) }
}

/// The addresses that the heap has mapped, first and one past the last; they stay mapped for ever.
#[must_use]
pub fn mapped() -> (u64, u64) {
    (HEAP_BASE, HEAP_BASE + MAPPED.load(Ordering::Acquire))
}

/// The part of the kernel's area from which the heap grows.
#[derive(Debug)]
struct KernelArea {
    /// End of the memory that the allocator knows.
    end: Option<NonNull<u8>>,
    /// Bytes mapped from [`HEAP_BASE`].
    mapped: u64,
}

// The pointer is the end of memory that belongs to the allocator; whoever holds its lock may use it.
// SAFETY: see above; nothing in it is tied to a CPU.
unsafe impl Send for KernelArea {}

// SAFETY: `acquire` allocates nothing from the heap: `map_heap` takes frames and page tables only.
unsafe impl Source for KernelArea {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        let asked = layout.size() as u64;
        let wanted =
            asked.checked_add(layout.align() as u64).and_then(|sum| sum.checked_add(BLOCK_OVERHEAD)).ok_or(())?;
        let room = HEAP_SIZE - talc.source.mapped;
        let length =
            wanted.max(LEAST_GROWTH).checked_next_multiple_of(PAGE_SIZE).filter(|length| *length <= room).ok_or(())?;
        let (mapped, frames) = kernel_space::map_heap(HEAP_BASE + talc.source.mapped, length);
        FRAMES.fetch_add(frames, Ordering::Relaxed);
        if mapped == 0 {
            return Err(());
        }
        talc.source.mapped += mapped;
        MAPPED.store(talc.source.mapped, Ordering::Release);
        let start = HEAP_BASE as *mut u8;
        let size = talc.source.mapped as usize;
        talc.source.end = match talc.source.end {
            None if size < min_first_heap_size::<B>() => None,
            // SAFETY: the bytes from HEAP_BASE are mapped, writable, and nobody else's.
            None => unsafe { talc.claim(start, size) },
            // SAFETY: `end` is what `claim` or `extend` answered last, and the pages up to the new end were mapped
            // just now for the heap alone.
            Some(end) => Some(unsafe { talc.extend(end, start.wrapping_add(size)) }),
        };
        // Less than was asked for is kept, but does not serve this allocation.
        if talc.source.end.is_some() && mapped >= wanted { Ok(()) } else { Err(()) }
    }
}
