//! Page frames and who owns them.
//!
//! A [`Frame`] is owned like a `Box`. Free frames wait in the caches of the CPUs and in one global pool
//! under a lock; the caches are refilled and emptied in batches, so that the local path takes no lock.
//! Allocating and freeing is for kernel code with interrupts off, not for handlers that may
//! arrive at any instant (NMI, machine check).

use core::fmt;

use gatehouse_core::memory::layout::PAGE_SIZE;
use gatehouse_core::memory::{MemoryKind, MemoryMap, PhysicalRange};
use spin::Once;
use x86_64::PhysAddr;

use super::direct_map;
use super::frame_cache::BATCH;
use super::frame_pool::Zone;
use super::frame_table::FrameTable;
use super::locked_pool::{self, pool};

pub use super::frame_cache::{FRAME_CACHE, FrameCache, find_cache};

static TABLE: Once<FrameTable> = Once::new();
static CACHE_LOCATOR: Once<fn() -> Option<&'static FrameCache>> = Once::new();

/// No frame is left that would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfFrames;

impl fmt::Display for OutOfFrames {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("no page frame is left")
    }
}

impl core::error::Error for OutOfFrames {}

/// How many frames there are, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameCounters {
    /// All frames that the kernel manages.
    pub total: u64,
    /// Those in the global pool. The caches of the CPUs hold more: [`FrameCache::count`].
    pub free: u64,
}

/// Makes the memory map's usable frames available, and prepares those of [`MemoryKind::Loader`].
///
/// # Panics
/// When no usable range has room for the frame table, or on a second call.
pub(super) fn initialize(map: &MemoryMap) {
    assert!(!TABLE.is_completed(), "the frame allocator was initialized already");
    let managed = map.regions().iter().filter(|region| is_managed(region.kind)).map(|region| region.range);
    let bytes = FrameTable::bytes_needed(managed.clone()).next_multiple_of(PAGE_SIZE);
    let storage = map
        .regions_of(MemoryKind::Usable)
        .map(|range| range.intersection(&Zone::Below4G.limits()))
        .find(|range| range.length() >= bytes)
        .map(|range| PhysicalRange { start: range.start, end: range.start + bytes })
        .unwrap_or_else(|| panic!("no usable memory below 4 GiB has room for the frame table's {bytes} bytes"));
    // SAFETY: the range is usable memory below 4 GiB, which the boot tables and the final ones map; nothing was
    // allocated yet, and it is not added to the pool below.
    let table = TABLE.call_once(|| unsafe { FrameTable::new(storage.start, managed) });
    for address in (storage.start..storage.end).step_by(PAGE_SIZE as usize) {
        table.take(address);
    }
    let mut pool = pool();
    for range in map.regions_of(MemoryKind::Usable) {
        let before = PhysicalRange { start: range.start, end: range.end.min(storage.start).max(range.start) };
        let after = PhysicalRange { start: range.start.max(storage.end).min(range.end), end: range.end };
        for part in [before, after] {
            // SAFETY: usable means that nobody uses it; the final tables map all of it, and until then only frames
            // below 4 GiB are asked for.
            unsafe { pool.add(part) };
        }
    }
}

/// Makes the frames that the loader used available.
///
/// # Safety
/// Nothing of what the loader left there is used any more, page tables included. Called once.
pub(super) unsafe fn release_loader_memory(map: &MemoryMap) {
    let mut pool = pool();
    for range in map.regions_of(MemoryKind::Loader) {
        // SAFETY: the caller's promise.
        unsafe { pool.add(range) };
    }
}

fn is_managed(kind: MemoryKind) -> bool {
    matches!(kind, MemoryKind::Usable | MemoryKind::Loader)
}

/// Tells how a CPU finds its own cache: the function answers the calling CPU's, or `None` while it has none. Called
/// with interrupts off. Counts once; later calls change nothing.
pub fn set_cache_locator(locator: fn() -> Option<&'static FrameCache>) {
    CACHE_LOCATOR.call_once(|| locator);
}

/// The counters, of this moment.
#[must_use]
pub fn counters() -> FrameCounters {
    FrameCounters { total: table().frames(), free: pool().free() }
}

/// Frames in the global pool that any CPU can get by [`Frame::allocate`], of this moment.
#[must_use]
pub fn available() -> u64 {
    locked_pool::available()
}

/// The frame at the physical address is broken: when its owner gives it back, nobody gets it again. Takes no lock. Answers
/// whether it has an owner; a free frame, or memory that is nobody's, stays as it is.
pub fn retire(address: u64) -> bool {
    TABLE.get().is_some_and(|table| table.retire(address / PAGE_SIZE * PAGE_SIZE))
}

/// Whether any byte of `range` is in a managed frame.
pub(super) fn is_ram(range: PhysicalRange) -> bool {
    table().overlaps(range)
}

/// Whether any of so many bytes from a physical address is RAM that the kernel manages.
#[must_use]
pub fn is_memory(start: u64, length: u64) -> bool {
    PhysicalRange::from_length(start, length).is_none_or(is_ram)
}

fn table() -> &'static FrameTable {
    TABLE.get().expect("the frame allocator is not initialized")
}

fn cache() -> Option<&'static FrameCache> {
    CACHE_LOCATOR.get().and_then(|locator| locator())
}

/// One frame of physical memory, 4 KiB. Dropping it frees it.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    address: u64,
}

impl Frame {
    /// A frame with whatever its last owner left in it.
    ///
    /// # Errors
    /// [`OutOfFrames`].
    pub fn allocate() -> Result<Self, OutOfFrames> {
        let Some(cache) = cache() else {
            return pool().take_any().map(Self::taken).ok_or(OutOfFrames);
        };
        if let Some(address) = cache.pop() {
            return Ok(Self::taken(address));
        }
        let mut pool = pool();
        let first = pool.take_any().ok_or(OutOfFrames)?;
        for _ in 1..BATCH {
            let Some(address) = pool.take_any() else { break };
            let pushed = cache.push(address);
            assert!(pushed, "an empty cache has room for a batch");
        }
        Ok(Self::taken(first))
    }

    /// A frame of zeros.
    ///
    /// # Errors
    /// [`OutOfFrames`].
    pub fn allocate_zeroed() -> Result<Self, OutOfFrames> {
        let mut frame = Self::allocate()?;
        frame.zero();
        Ok(frame)
    }

    /// A frame of zeros between 1 MiB and 4 GiB, for what 32-bit code must reach. Always takes the global lock.
    ///
    /// # Errors
    /// [`OutOfFrames`].
    pub fn allocate_below_4g() -> Result<Self, OutOfFrames> {
        let mut frame = pool().take(Zone::Below4G).map(Self::taken).ok_or(OutOfFrames)?;
        frame.zero();
        Ok(frame)
    }

    fn taken(address: u64) -> Self {
        table().take(address);
        Self { address }
    }

    /// Physical address; a multiple of 4096.
    #[must_use]
    pub fn address(&self) -> PhysAddr {
        PhysAddr::new(self.address)
    }

    /// Fills the frame with zeros.
    pub fn zero(&mut self) {
        let words = direct_map::pointer(self.address).cast::<u64>();
        // Stores of eight bytes: an emulated processor takes an eighth of the time of byte stores.
        // SAFETY: the frame is this value's own, page-aligned and mapped by the direct map; the direction flag is
        // clear in Rust code. 512 stores of 8 bytes fill exactly one frame.
        unsafe {
            core::arch::asm!(
                "rep stosq",
                inout("rcx") PAGE_SIZE / 8 => _,
                inout("rdi") words => _,
                in("rax") 0_u64,
                options(nostack, preserves_flags),
            );
        }
    }

    /// The contents.
    #[must_use]
    pub fn bytes(&self) -> &[u8; PAGE_SIZE as usize] {
        // SAFETY: the frame is this value's own, and the direct map covers it; any byte is a valid u8. A frame that is
        // mapped for a program was moved into its address space, so no `Frame` stands for it.
        unsafe { &*direct_map::pointer(self.address).cast() }
    }

    /// Fills it with what another frame holds. A program that writes there meanwhile changes what is copied and nothing else.
    ///
    /// # Safety
    /// `source` is the address of a frame that somebody owns as long as this runs.
    pub unsafe fn fill_from(&mut self, source: PhysAddr) {
        let (from, to) = (direct_map::pointer(source.as_u64()), direct_map::pointer(self.address));
        // Words of eight bytes, as for `zero`.
        // SAFETY: both are whole frames, page-aligned and mapped by the direct map; this one is this value's own, so they are
        // not the same; the direction flag is clear, as Rust has it everywhere.
        unsafe {
            core::arch::asm!(
                "rep movsq",
                inout("rcx") PAGE_SIZE / 8 => _,
                inout("rsi") from => _,
                inout("rdi") to => _,
                options(nostack, preserves_flags),
            );
        }
    }

    /// The contents, to change.
    pub fn bytes_mut(&mut self) -> &mut [u8; PAGE_SIZE as usize] {
        // SAFETY: as for `bytes`; the borrow of `self` is exclusive.
        unsafe { &mut *direct_map::pointer(self.address).cast() }
    }

    /// Gives up ownership; [`Self::from_raw`] takes it back.
    #[must_use]
    pub fn into_raw(self) -> PhysAddr {
        let address = self.address();
        core::mem::forget(self);
        address
    }

    /// The frame at `address` as an owned value.
    ///
    /// # Safety
    /// `address` is from [`Self::into_raw`], no other `Frame` stands for it, and no page table or device
    /// leads to it.
    #[must_use]
    pub unsafe fn from_raw(address: PhysAddr) -> Self {
        Self { address: address.as_u64() }
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        if !table().give_back(self.address) {
            return;
        }
        let local = if Zone::of(self.address) == Zone::Low { None } else { cache() };
        if let Some(cache) = local {
            if cache.push(self.address) {
                return;
            }
            let mut pool = pool();
            for _ in 0..BATCH {
                let Some(address) = cache.pop() else { break };
                // SAFETY: a cache holds free frames only.
                unsafe { pool.give_back(address) };
            }
            drop(pool);
            if cache.push(self.address) {
                return;
            }
        }
        // SAFETY: the frame was this value's own; the frame table had it in use until now.
        unsafe { pool().give_back(self.address) };
    }
}

/// One frame below 1 MiB, for code that a starting CPU runs in real mode; `None` when the firmware left none. Its
/// address is at least 64 KiB.
#[must_use]
pub fn low_page() -> Option<Frame> {
    pool().take(Zone::Low).map(Frame::taken)
}

/// `count` frames of zeros that lie together below 4 GiB, for ever: for tables of the start and for devices.
///
/// # Errors
/// [`OutOfFrames`] when no range that was never used is that long.
pub fn allocate_together(count: u64) -> Result<PhysicalRange, OutOfFrames> {
    let start = pool().take_together(count).ok_or(OutOfFrames)?;
    let range = PhysicalRange { start, end: start + count * PAGE_SIZE };
    for address in (range.start..range.end).step_by(PAGE_SIZE as usize) {
        let mut frame = Frame::taken(address);
        frame.zero();
        core::mem::forget(frame);
    }
    Ok(range)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::boxed::Box;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::vec::Vec;

    use super::{Frame, allocate_together, cache, counters, low_page, set_cache_locator};
    use crate::memory::frame_cache::{BATCH, FrameCache};
    use crate::memory::test_memory;

    /// Frames that somebody owns.
    fn in_use() -> u64 {
        let counters = counters();
        counters.total - counters.free - cache().map_or(0, |cache| cache.count() as u64)
    }

    #[test]
    fn every_frame_comes_back() {
        let _guard = test_memory::frames();
        let before = in_use();
        let mut frames: Vec<_> = (0..200).map(|_| Frame::allocate().unwrap()).collect();
        assert_eq!(in_use(), before + 200);
        for (index, frame) in frames.iter_mut().enumerate() {
            frame.bytes_mut().fill(index as u8);
        }
        for (index, frame) in frames.iter().enumerate() {
            assert!(frame.bytes().iter().all(|byte| *byte == index as u8), "a frame is shared");
        }
        frames.truncate(7);
        assert_eq!(in_use(), before + 7);
        drop(frames);
        assert_eq!(in_use(), before);
    }

    #[test]
    fn kinds_of_frames_lie_where_they_should() {
        let _guard = test_memory::frames();
        let low = low_page().unwrap();
        assert!((0x1_0000..0x10_0000).contains(&low.address().as_u64()));
        let below = Frame::allocate_below_4g().unwrap();
        assert!((0x10_0000..0x1_0000_0000).contains(&below.address().as_u64()));
        assert!(below.bytes().iter().all(|byte| *byte == 0));
        assert!(Frame::allocate().unwrap().address().as_u64() >= 0x1_0000_0000, "high frames first");
        let together = allocate_together(3).unwrap();
        assert_eq!(together.length(), 3 * 4096);
        assert!(allocate_together(1 << 40).is_err());
    }

    #[test]
    fn double_and_foreign_frees_are_caught() {
        let _guard = test_memory::frames();
        let address = Frame::allocate().unwrap().into_raw();
        // SAFETY: the first is right; the others are the mistakes that the test is about, on memory of the arena.
        let free = |address| catch_unwind(AssertUnwindSafe(|| drop(unsafe { Frame::from_raw(address) })));
        assert!(free(address).is_ok());
        assert!(free(address).is_err(), "freed twice");
        assert!(free(x86_64::PhysAddr::new(0x9000_0000)).is_err(), "not a frame of the allocator");
    }

    std::thread_local! {
        static CACHE: core::cell::Cell<Option<&'static FrameCache>> = const { core::cell::Cell::new(None) };
    }

    /// Runs `test` on a thread that plays a CPU: with a cache, whose frames go back to the pool in the end.
    fn with_cache(test: impl FnOnce(&'static FrameCache)) {
        set_cache_locator(|| CACHE.get());
        let cache: &'static FrameCache = Box::leak(Box::default());
        CACHE.set(Some(cache));
        test(cache);
        CACHE.set(None);
        while let Some(address) = cache.pop() {
            super::table().take(address);
            // SAFETY: a frame out of the cache, noted as in use just now.
            drop(unsafe { Frame::from_raw(x86_64::PhysAddr::new(address)) });
        }
    }

    #[test]
    fn caches_are_filled_and_emptied_in_batches() {
        let _guard = test_memory::frames();
        let at_start = counters();
        with_cache(|mine| {
            let before = in_use();
            let mut frames = std::vec![Frame::allocate().unwrap()];
            assert_eq!(mine.count(), BATCH - 1);
            let pool = counters().free;
            frames.extend((1..BATCH).map(|_| Frame::allocate().unwrap()));
            assert_eq!((counters().free, mine.count()), (pool, 0), "a batch without a visit to the pool");
            frames.extend((0..3 * BATCH).map(|_| Frame::allocate().unwrap()));
            assert_eq!(in_use(), before + 4 * BATCH as u64);
            drop(frames);
            assert!(mine.count() <= FrameCache::CAPACITY);
            assert_eq!(in_use(), before);
        });
        assert_eq!(counters(), at_start);
    }

    /// Threads play the CPUs: no frame has two owners at a time, and all come back.
    #[test]
    fn cpus_never_share_a_frame() {
        let _guard = test_memory::frames();
        let at_start = counters();
        let play = |cpu: u64| {
            let mut held = Vec::new();
            for round in 0..4000 {
                // Holds more, then fewer, by more than a cache has room for; the CPUs in opposite phases.
                if round / 200 % 2 == cpu % 2 {
                    let mark = cpu * 10_000 + round;
                    let mut frame = Frame::allocate().unwrap();
                    frame.bytes_mut()[..8].copy_from_slice(&mark.to_le_bytes());
                    held.push((frame, mark));
                } else if !held.is_empty() {
                    let (frame, mark) = held.swap_remove(round as usize % held.len());
                    assert_eq!(frame.bytes()[..8], mark.to_le_bytes());
                }
            }
        };
        std::thread::scope(|scope| {
            for cpu in 0..4 {
                scope.spawn(move || with_cache(|_| play(cpu)));
            }
        });
        assert_eq!(counters(), at_start);
    }
}
