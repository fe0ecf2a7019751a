//! One byte of state for each managed frame: what catches double frees and foreign frames.

use core::sync::atomic::{AtomicU8, Ordering};

use gatehouse_core::memory::layout::PAGE_SIZE;
use gatehouse_core::memory::{MemoryMap, PhysicalRange};
use heapless::Vec;

use super::direct_map;

/// The frame is in the global pool or in a CPU's cache.
const FREE: u8 = 0;
/// Somebody owns the frame.
const IN_USE: u8 = 1;

/// Somebody owns the frame, and nobody is to have it afterwards.
const RETIRED: u8 = 2;

/// Frames that lie together.
#[derive(Debug)]
struct Block {
    range: PhysicalRange,
    states: &'static [AtomicU8],
}

/// State of every managed frame. Which frames are managed never changes.
#[derive(Debug)]
pub(super) struct FrameTable {
    blocks: Vec<Block, { MemoryMap::MAXIMUM_REGIONS }>,
}

impl FrameTable {
    /// Bytes that the table needs for `ranges`.
    pub(super) fn bytes_needed(ranges: impl Iterator<Item = PhysicalRange>) -> u64 {
        ranges.map(|range| range.length() / PAGE_SIZE).sum()
    }

    /// A table for `ranges`, all of them free, kept in the memory at physical address `storage`.
    ///
    /// # Safety
    /// The [`Self::bytes_needed`] bytes at `storage` are RAM within reach of the direct map, and nobody else
    /// uses them from now on.
    pub(super) unsafe fn new(storage: u64, ranges: impl Iterator<Item = PhysicalRange>) -> Self {
        let mut blocks = Vec::new();
        let mut next = storage;
        for range in ranges {
            let count = (range.length() / PAGE_SIZE) as usize;
            let states = direct_map::pointer(next).cast::<AtomicU8>();
            // SAFETY: the bytes are the caller's gift; each block takes its own part of them. FREE is 0, so that
            // zeroed bytes are valid states, and an AtomicU8 has the layout of a byte.
            let states = unsafe {
                states.write_bytes(FREE, count);
                core::slice::from_raw_parts(states, count)
            };
            let pushed = blocks.push(Block { range, states });
            assert!(pushed.is_ok(), "more ranges than a memory map has regions");
            next += count as u64;
        }
        // The largest first: there most frames are.
        blocks.sort_unstable_by_key(|block: &Block| core::cmp::Reverse(block.states.len()));
        Self { blocks }
    }

    /// Frames in the table.
    pub(super) fn frames(&self) -> u64 {
        self.blocks.iter().map(|block| block.states.len() as u64).sum()
    }

    fn state(&self, address: u64) -> Option<&AtomicU8> {
        let block = self.blocks.iter().find(|block| block.range.contains(address))?;
        block.states.get(((address - block.range.start) / PAGE_SIZE) as usize)
    }

    /// Whether any managed frame lies in `range`.
    pub(super) fn overlaps(&self, range: PhysicalRange) -> bool {
        self.blocks.iter().any(|block| block.range.overlaps(&range))
    }

    /// Notes that the frame at `address` has an owner now.
    ///
    /// # Panics
    /// When it had one already: two lists held it, so the allocator's own state is damaged.
    pub(super) fn take(&self, address: u64) {
        let before = self.state(address).map(|state| state.swap(IN_USE, Ordering::Relaxed));
        assert_eq!(before, Some(FREE), "frame {address:#x} was handed out twice");
    }

    /// Notes that the frame at `address` has no owner any more. Answers whether it is free; a retired one never is.
    ///
    /// # Panics
    /// When it is not a managed frame, or free already.
    pub(super) fn give_back(&self, address: u64) -> bool {
        let change = |state: &AtomicU8| state.compare_exchange(IN_USE, FREE, Ordering::Relaxed, Ordering::Relaxed);
        match self.state(address).map(change) {
            Some(Ok(_)) => true,
            Some(Err(RETIRED)) => false,
            Some(Err(_)) => panic!("frame {address:#x} was freed twice"),
            None => panic!("frame {address:#x} was freed, but it is not the frame allocator's"),
        }
    }

    /// Notes that nobody is to have the frame at `address` after its owner. Answers whether it has one; a free one, or one
    /// that is not managed, stays as it is.
    pub(super) fn retire(&self, address: u64) -> bool {
        let change = |state: &AtomicU8| state.compare_exchange(IN_USE, RETIRED, Ordering::Relaxed, Ordering::Relaxed);
        self.state(address).is_some_and(|state| change(state).is_ok())
    }
}
