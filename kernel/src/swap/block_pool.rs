//! The memory of the RAM store: page frames cut into blocks, and chains of blocks.
//!
//! Compressed pages have every length, so a chain of small blocks wastes least and never has to be moved. A frame whose
//! blocks are all free goes back to the frame allocator at once.
//!
//! The pool never asks for memory. Whoever puts a chain in brings a frame along, that of the page which is being stored:
//! if no blocks are left, it becomes part of the pool.

use alloc::collections::TryReserveError;
use alloc::vec::Vec;

use gatehouse_core::memory::layout::PAGE_SIZE;

use crate::memory::Frame;

/// Bytes of a block: a link and what it carries.
const BLOCK: usize = 256;
/// Bytes of the link to the next block, at the block's start.
const LINK: usize = size_of::<u32>();
/// Bytes that a block carries.
const CARRIES: usize = BLOCK - LINK;
/// Blocks of a frame.
const BLOCKS: usize = PAGE_SIZE as usize / BLOCK;
/// The link of a chain's last block.
const END: u32 = u32::MAX;
/// All blocks of a frame are free.
const ALL_FREE: u16 = u16::MAX;

const _: () = assert!(BLOCKS == u16::BITS as usize);

/// The longest chain that a frame of its own always has room for.
pub const LONGEST_CHAIN: usize = BLOCKS * CARRIES;

/// A place for a frame.
#[derive(Debug, Default)]
struct Place {
    frame: Option<Frame>,
    /// One bit for each free block.
    free: u16,
    /// The place is in the list of those that may have free blocks.
    listed: bool,
}

/// Chains of blocks, in at most so many frames. A chain is known by its first block.
#[derive(Debug)]
pub struct BlockPool {
    places: Vec<Place>,
    /// Places that may have free blocks; those that have any are all here.
    partial: Vec<u32>,
    /// Places without a frame.
    vacant: Vec<u32>,
    frames: u32,
    free_blocks: u32,
}

/// No room is left within the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl BlockPool {
    /// The most frames of a pool: block numbers have 32 bits.
    pub const MOST_FRAMES: u32 = u32::MAX / BLOCKS as u32;

    /// An empty pool of at most so many frames.
    ///
    /// # Errors
    /// When the heap has no room for its lists, 24 bytes a frame.
    #[expect(clippy::disallowed_methods, reason = "before any program runs")]
    pub fn new(frames: u32) -> Result<Self, TryReserveError> {
        let frames = frames.min(Self::MOST_FRAMES);
        let mut pool = Self { places: Vec::new(), partial: Vec::new(), vacant: Vec::new(), frames: 0, free_blocks: 0 };
        pool.places.try_reserve_exact(frames as usize)?;
        pool.partial.try_reserve_exact(frames as usize)?;
        pool.vacant.try_reserve_exact(frames as usize)?;
        pool.places.resize_with(frames as usize, Place::default);
        pool.vacant.extend((0..frames).rev());
        Ok(pool)
    }

    /// Frames that the pool holds.
    #[must_use]
    pub const fn frames(&self) -> u32 {
        self.frames
    }

    /// The most frames that it may hold.
    #[must_use]
    pub fn bound(&self) -> u32 {
        self.places.len() as u32
    }

    /// Stores bytes; answers the first block of their chain. `spare` is taken if the pool has to grow.
    ///
    /// # Errors
    /// [`Full`]; nothing has changed then.
    ///
    /// # Panics
    /// When there is no byte, or more than [`LONGEST_CHAIN`].
    pub fn put(&mut self, bytes: &[u8], spare: &mut Option<Frame>) -> Result<u32, Full> {
        assert!(!bytes.is_empty() && bytes.len() <= LONGEST_CHAIN, "{} bytes make no chain", bytes.len());
        if (self.free_blocks as usize) < blocks_of(bytes.len()) {
            self.grow(spare)?;
        }
        let mut next = END;
        // From the end, so that each block is written once, with its link.
        for piece in bytes.chunks(CARRIES).rev() {
            let block = self.take_block();
            let target = self.block_mut(block);
            target[..LINK].copy_from_slice(&next.to_le_bytes());
            target[LINK..LINK + piece.len()].copy_from_slice(piece);
            next = block;
        }
        Ok(next)
    }

    /// Reads a chain of as many bytes as `target` has.
    pub fn read(&self, first: u32, target: &mut [u8]) {
        let mut block = first;
        for piece in target.chunks_mut(CARRIES) {
            let source = self.block(block);
            piece.copy_from_slice(&source[LINK..LINK + piece.len()]);
            block = link(source);
        }
    }

    /// Frees a chain of so many bytes.
    pub fn free(&mut self, first: u32, length: usize) {
        let mut block = first;
        for _ in 0..blocks_of(length) {
            let next = link(self.block(block));
            self.free_block(block);
            block = next;
        }
    }

    /// Changes a byte of a chain: what failing memory would do. For tests of the checksum.
    pub fn damage(&mut self, first: u32) {
        self.block_mut(first)[LINK] ^= 0x10;
    }

    /// Takes the frame in. It has room for any chain.
    fn grow(&mut self, spare: &mut Option<Frame>) -> Result<(), Full> {
        if spare.is_none() {
            return Err(Full);
        }
        let number = self.vacant.pop().ok_or(Full)?;
        let place = &mut self.places[number as usize];
        place.frame = spare.take();
        place.free = ALL_FREE;
        self.frames += 1;
        self.free_blocks += BLOCKS as u32;
        self.list(number);
        Ok(())
    }

    /// Notes that a place may have free blocks.
    fn list(&mut self, number: u32) {
        let place = &mut self.places[number as usize];
        if !core::mem::replace(&mut place.listed, true) {
            // Each place is in the list once at most, so that there is room.
            #[expect(clippy::disallowed_methods, reason = "there is room for each")]
            self.partial.push(number);
        }
    }

    /// A free block, of which there must be one.
    fn take_block(&mut self) -> u32 {
        loop {
            let Some(number) = self.partial.last().copied() else { unreachable!("free blocks are counted") };
            let place = &mut self.places[number as usize];
            if place.free == 0 {
                place.listed = false;
                self.partial.pop();
                continue;
            }
            let bit = place.free.trailing_zeros();
            place.free &= place.free - 1;
            self.free_blocks -= 1;
            return number * BLOCKS as u32 + bit;
        }
    }

    fn free_block(&mut self, block: u32) {
        let (number, bit) = (block / BLOCKS as u32, block % BLOCKS as u32);
        let place = &mut self.places[number as usize];
        assert!(place.frame.is_some() && place.free & 1 << bit == 0, "block {block} is freed twice");
        place.free |= 1 << bit;
        self.free_blocks += 1;
        if place.free == ALL_FREE {
            place.free = 0;
            drop(place.frame.take());
            self.frames -= 1;
            self.free_blocks -= BLOCKS as u32;
            #[expect(clippy::disallowed_methods, reason = "there is room for each")]
            self.vacant.push(number);
        } else {
            self.list(number);
        }
    }

    fn block(&self, block: u32) -> &[u8] {
        let Some(frame) = &self.places[block as usize / BLOCKS].frame else { unreachable!("a block has a frame") };
        &frame.bytes()[block as usize % BLOCKS * BLOCK..][..BLOCK]
    }

    fn block_mut(&mut self, block: u32) -> &mut [u8] {
        let Some(frame) = &mut self.places[block as usize / BLOCKS].frame else { unreachable!("a block has a frame") };
        &mut frame.bytes_mut()[block as usize % BLOCKS * BLOCK..][..BLOCK]
    }
}

const fn blocks_of(length: usize) -> usize {
    length.div_ceil(CARRIES)
}

fn link(block: &[u8]) -> u32 {
    block.first_chunk().map_or(END, |bytes| u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::{BlockPool, Full, LONGEST_CHAIN};
    use crate::memory::{Frame, frame, test_memory};

    #[derive(Clone, Debug)]
    enum Step {
        Put(usize, u8, bool),
        Free(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (1..=LONGEST_CHAIN, any::<u8>(), any::<bool>()).prop_map(|(length, fill, spare)| Step::Put(length, fill, spare)),
            2 => any::<usize>().prop_map(Step::Free),
        ]
    }

    proptest! {
        /// Against a list of byte strings: every chain keeps its bytes whatever happens to others, the bound holds, and all
        /// frames come back.
        #[test]
        fn chains_keep_their_bytes(steps in prop::collection::vec(step(), 0..120)) {
            let _guard = test_memory::frames();
            let free = frame::counters().free;
            let mut pool = BlockPool::new(6).unwrap();
            let mut chains: Vec<(u32, Vec<u8>)> = Vec::new();
            for step in steps {
                match step {
                    Step::Put(length, fill, with_spare) => {
                        let bytes: Vec<u8> = (0..length).map(|index| fill.wrapping_add((index % 251) as u8)).collect();
                        let mut spare = with_spare.then(|| Frame::allocate().unwrap());
                        let before = pool.frames();
                        match pool.put(&bytes, &mut spare) {
                            Ok(first) => {
                                prop_assert_eq!(pool.frames() > before, with_spare && spare.is_none());
                                chains.push((first, bytes));
                            }
                            Err(Full) => {
                                prop_assert!(!with_spare || before == pool.bound());
                                prop_assert_eq!((pool.frames(), spare.is_some()), (before, with_spare));
                            }
                        }
                    }
                    Step::Free(_) if chains.is_empty() => {}
                    Step::Free(which) => {
                        let (first, bytes) = chains.swap_remove(which % chains.len());
                        pool.free(first, bytes.len());
                    }
                }
                prop_assert!(pool.frames() <= pool.bound());
                for (first, bytes) in &chains {
                    let mut back = std::vec![0; bytes.len()];
                    pool.read(*first, &mut back);
                    prop_assert_eq!(&back, bytes);
                }
            }
            for (first, bytes) in chains {
                pool.free(first, bytes.len());
            }
            prop_assert_eq!(pool.frames(), 0);
            prop_assert_eq!(frame::counters().free, free);
        }
    }

    #[test]
    fn damage_is_one_bit_of_one_chain() {
        let _guard = test_memory::frames();
        let mut pool = BlockPool::new(1).unwrap();
        let mut spare = Some(Frame::allocate().unwrap());
        let first = pool.put(&[1, 2, 3], &mut spare).unwrap();
        let second = pool.put(&[4, 5], &mut spare).unwrap();
        pool.damage(first);
        let (mut one, mut two) = ([0; 3], [0; 2]);
        pool.read(first, &mut one);
        pool.read(second, &mut two);
        assert_eq!((one, two), ([0x11, 2, 3], [4, 5]));
    }

    #[test]
    #[should_panic(expected = "freed twice")]
    fn freeing_twice_is_noticed() {
        let _guard = test_memory::frames();
        let mut pool = BlockPool::new(1).unwrap();
        let mut spare = Some(Frame::allocate().unwrap());
        let first = pool.put(&[1], &mut spare).unwrap();
        let _other = pool.put(&[2], &mut spare).unwrap();
        pool.free(first, 1);
        pool.free(first, 1);
    }
}
