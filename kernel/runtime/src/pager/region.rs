//! Which part of a client's memory is backed, and by what.

use core::sync::atomic::AtomicBool;

use super::Image;
use crate::memory::PAGE_SIZE;

/// Bytes below a stack in which an access is told as an overflow: as much as functions skip without touching it.
pub const GUARD_BYTES: u64 = 16 * PAGE_SIZE;

/// What is put where a client touches nothing yet.
#[derive(Clone, Copy, Debug)]
pub enum Backing<'a> {
    /// Pages of zeros.
    Fresh,
    /// The same, for a stack: it grows downwards to the start of the region and no further.
    Stack,
    /// The pages of an image, from its first on. For each a flag, of this client: it has a copy of its own.
    CopyOnWrite(&'a Image<'a>, &'a [AtomicBool]),
}

/// A part of a client's memory: whole pages.
#[derive(Clone, Copy, Debug)]
pub struct Region<'a> {
    start: u64,
    pages: u64,
    backing: Backing<'a>,
}

/// Where an address lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the page of the region with this number.
    Page(u64),
    /// Right below a stack.
    Guard,
}

impl<'a> Region<'a> {
    /// Memory that is zero where it is touched first.
    #[must_use]
    pub const fn fresh(start: u64, pages: u64) -> Self {
        Self { start, pages, backing: Backing::Fresh }
    }

    /// A stack that begins below `top` and has at most so many pages.
    #[must_use]
    pub const fn stack(top: u64, pages: u64) -> Self {
        Self { start: top - pages * PAGE_SIZE, pages, backing: Backing::Stack }
    }

    /// An image that the client may read, and of which it gets a copy, page by page, where it writes. `copied` has a flag for
    /// each page of the image, all false at first; they are the client's own and nobody else's.
    ///
    /// # Panics
    /// If there are not as many flags as pages.
    #[must_use]
    pub fn copy_on_write(start: u64, image: &'a Image<'a>, copied: &'a [AtomicBool]) -> Self {
        assert!(copied.len() as u64 == image.pages(), "a flag for each page");
        Self { start, pages: image.pages(), backing: Backing::CopyOnWrite(image, copied) }
    }

    /// What backs it.
    #[must_use]
    pub const fn backing(&self) -> Backing<'a> {
        self.backing
    }

    /// Its length in bytes.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.pages * PAGE_SIZE
    }

    /// Where an address lies; `None` if it is neither in the region nor in its guard.
    pub(super) const fn place(&self, address: u64) -> Option<Place> {
        let from_start = address.wrapping_sub(self.start);
        if from_start < self.length() {
            return Some(Place::Page(from_start / PAGE_SIZE));
        }
        let is_guard = matches!(self.backing, Backing::Stack) && self.start.wrapping_sub(address) <= GUARD_BYTES;
        if is_guard { Some(Place::Guard) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::{GUARD_BYTES, PAGE_SIZE, Place, Region};

    const START: u64 = 0x5000_0000;

    #[test]
    fn addresses_are_found_in_their_pages() {
        let region = Region::fresh(START, 2);
        for (address, place) in [
            (START - 1, None),
            (START, Some(Place::Page(0))),
            (START + PAGE_SIZE - 1, Some(Place::Page(0))),
            (START + PAGE_SIZE, Some(Place::Page(1))),
            (START + 2 * PAGE_SIZE, None),
            (0, None),
            (u64::MAX, None),
        ] {
            assert_eq!(region.place(address), place, "{address:#x}");
        }
    }

    #[test]
    fn a_stack_has_a_guard_below_it_only() {
        let stack = Region::stack(START, 4);
        let lowest = START - 4 * PAGE_SIZE;
        for (address, place) in [
            (START, None),
            (START - 1, Some(Place::Page(3))),
            (lowest, Some(Place::Page(0))),
            (lowest - 1, Some(Place::Guard)),
            (lowest - GUARD_BYTES, Some(Place::Guard)),
            (lowest - GUARD_BYTES - 1, None),
        ] {
            assert_eq!(stack.place(address), place, "{address:#x}");
        }
    }
}
