//! Pages that clients share until they write.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::Kernel;
use crate::abi::{Error, SLOT_NONE};
use crate::capability::{Capability, Frame, Rights, Slot};
use crate::memory::PAGE_SIZE;

/// Frames whose contents never change, mapped in the pager's own memory, and in clients to be read.
#[derive(Debug)]
pub struct Image<'a> {
    address: u64,
    frames: &'a [AtomicU64],
}

/// Words of a page.
pub(super) const PAGE_WORDS: usize = PAGE_SIZE as usize / 8;

/// A page of words in the pager's memory.
pub(super) type PageWords = [u64; PAGE_WORDS];

impl<'a> Image<'a> {
    /// An image of as many pages as there are places for slots, which the pager will have at this address.
    #[must_use]
    pub const fn new(address: u64, frames: &'a [AtomicU64]) -> Self {
        Self { address, frames }
    }

    /// How many pages it has.
    #[must_use]
    pub const fn pages(&self) -> u64 {
        self.frames.len() as u64
    }

    /// Makes its frames; `word` is the contents, by page and word. Once, before any client is served, while no reference into
    /// its pages exists.
    ///
    /// # Errors
    /// What CreateFrame and MapFrame answer.
    pub fn create(&self, word: impl Fn(u64, u64) -> u64) -> Result<(), Error> {
        for (page, place) in self.frames.iter().enumerate() {
            let page = page as u64;
            let frame = Frame::create()?;
            place.store(frame.slot().number(), Ordering::Release);
            let address = frame.map(self.address + page * PAGE_SIZE, Rights::READ | Rights::WRITE)?;
            // SAFETY: the page was mapped just now, to be written, and no other reference into it exists.
            let words = unsafe { &mut *(address as *mut PageWords) };
            words.iter_mut().enumerate().for_each(|(index, place)| *place = word(page, index as u64));
        }
        Ok(())
    }

    /// Gives its frames up; clients that have mapped them keep them. While no reference into its pages exists.
    ///
    /// # Errors
    /// What DeleteCapability and UnmapMemory answer.
    pub fn delete(&self) -> Result<(), Error> {
        for place in self.frames {
            frame_in(place.swap(SLOT_NONE, Ordering::AcqRel)).delete()?;
        }
        // SAFETY: by the contract nothing refers to the pages.
        unsafe { Kernel::unmap_memory(self.address, self.pages() * PAGE_SIZE) }.map(drop)
    }

    /// A page's frame.
    pub(super) fn frame(&self, page: u64) -> Frame {
        frame_in(self.frames.get(page as usize).map_or(SLOT_NONE, |place| place.load(Ordering::Acquire)))
    }

    /// The contents of a page that it has; only between [`Self::create`] and [`Self::delete`].
    #[must_use]
    pub fn words(&self, page: u64) -> Option<&[u64; PAGE_WORDS]> {
        // SAFETY: `create` has mapped the page, as its slot shows, and nobody writes to it: clients have it to be read.
        (self.frame(page).slot() != Slot::NONE)
            .then(|| unsafe { &*((self.address + page * PAGE_SIZE) as *const PageWords) })
    }
}

const fn frame_in(slot: u64) -> Frame {
    Frame::from_slot(Slot::new(slot))
}
