//! The kernel heap: the global allocator.
//!
//! `talc` under a spin lock, usable on every CPU with interrupts off. It grows in the kernel's area when it is
//! full and does not shrink; its frames are counted apart from frames in use. Where it can neither serve nor grow, the
//! block that the CPU has [held in reserve](super::emergency_reserve) serves what was promised.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gatehouse_core::memory::layout::{HEAP_BASE, HEAP_SIZE, PAGE_SIZE};
use talc::base::Talc;
use talc::base::binning::Binning;
use talc::source::Source;
use talc::{TalcLock, min_first_heap_size};

use super::{emergency_reserve, kernel_space};
use crate::sync::{RankedLock, rank};

/// The least that the heap grows by.
const LEAST_GROWTH: u64 = 256 * 1024;

/// What a block needs besides its own bytes, rounded up generously.
const BLOCK_OVERHEAD: u64 = 128;

type Heap = TalcLock<RankedLock<rank::Heap>, KernelArea>;

static HEAP: Heap = TalcLock::new(KernelArea { end: None, mapped: 0 });

// On the host the standard library's allocator serves tests.
#[cfg_attr(target_os = "none", global_allocator)]
#[cfg_attr(not(target_os = "none"), expect(dead_code, reason = "see above"))]
static ALLOCATOR: Allocator = Allocator;

/// The heap, and behind it what the CPU has held in reserve.
struct Allocator;

// SAFETY: blocks come from the heap alone, whose contract this is; one that was held in reserve has gone back to it before.
unsafe impl GlobalAlloc for Allocator {
    #[inline(always)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        let block = unsafe { HEAP.alloc(layout) };
        if block.is_null() { emergency_reserve::use_block(layout) } else { block }
    }

    #[inline(always)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { HEAP.dealloc(block, layout) };
    }

    #[inline(always)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { HEAP.realloc(block, layout, size) }
    }
}

/// The heap does not grow: see [`stop_growing`].
static STOPPED: AtomicBool = AtomicBool::new(false);

/// Bytes mapped from [`HEAP_BASE`].
static MAPPED: AtomicU64 = AtomicU64::new(0);

static FRAMES: AtomicU64 = AtomicU64::new(0);

/// What the heap holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapCounters {
    /// Bytes of live allocations, as they were asked for. What CPUs have held in reserve does not count.
    pub bytes_in_use: u64,
    /// Frames that the heap took from the frame allocator, page tables for it included.
    pub frames: u64,
}

/// The counters, of this moment.
#[must_use]
pub fn counters() -> HeapCounters {
    let (allocated, emergency_reserve) = {
        let heap = HEAP.lock();
        (heap.counters().allocated_bytes as u64, emergency_reserve::bytes())
    };
    HeapCounters { bytes_in_use: allocated - emergency_reserve, frames: FRAMES.load(Ordering::Relaxed) }
}

/// A block of the heap itself, counted by `count` before anybody sees the counters.
pub(super) fn take_block(layout: Layout, count: impl FnOnce()) -> Option<NonNull<u8>> {
    assert_ne!(layout.size(), 0, "a block has bytes");
    let mut heap = HEAP.lock();
    // SAFETY: the size is not 0.
    let block = unsafe { heap.allocate(layout) }?;
    count();
    Some(block)
}

/// Puts a block back, counted by `count` before anybody sees the counters, and takes one for `wanted` in the same moment:
/// nobody else gets what comes free. `None` if that does not fit in, nor anywhere else.
///
/// # Safety
/// The block is of [`take_block`] with this layout, and nobody uses it.
pub(super) unsafe fn exchange_block(
    block: NonNull<u8>,
    layout: Layout,
    wanted: Option<Layout>,
    count: impl FnOnce(),
) -> Option<NonNull<u8>> {
    let mut heap = HEAP.lock();
    // SAFETY: the caller's promise.
    unsafe { heap.deallocate(block.as_ptr(), layout) };
    count();
    // SAFETY: the size is not 0.
    wanted.filter(|wanted| wanted.size() != 0).and_then(|wanted| unsafe { heap.allocate(wanted) })
}

/// Says whether the heap stays as large as it is. For tests of what becomes of a full one.
pub fn stop_growing(stopped: bool) {
    STOPPED.store(stopped, Ordering::Relaxed);
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
        if STOPPED.load(Ordering::Relaxed) {
            return Err(());
        }
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
