//! What was taken out of the page table, until no CPU can reach it any more.

use gatehouse_core::memory::layout::PAGE_SIZE;
use x86_64::structures::paging::PageTableFlags;
use x86_64::{PhysAddr, VirtAddr};

use super::shared::{SHARED, StaleShare};
use super::{AddressSpace, MapError, PageState, own_state, user_page};
use crate::memory::Frame;

/// A frame whose page is gone from the page table, but which CPUs may still reach by an old translation.
#[derive(Debug)]
#[must_use = "the frame is lost unless `after_flush` takes it"]
pub struct StaleFrame {
    page: VirtAddr,
    frame: PhysAddr,
}

impl StaleFrame {
    pub(super) const fn new(page: VirtAddr, frame: PhysAddr) -> Self {
        Self { page, frame }
    }

    /// The page whose translation every CPU that runs this address space must forget.
    #[must_use]
    pub fn page(&self) -> VirtAddr {
        self.page
    }

    /// The frame, to use again or to drop.
    ///
    /// # Safety
    /// No CPU has the translation of [`Self::page`] any more.
    #[must_use]
    pub unsafe fn after_flush(self) -> Frame {
        // SAFETY: the frame was moved into the address space by `map` or `swap_in`, its entry is empty, and the caller
        // promises that no translation is left.
        unsafe { Frame::from_raw(self.frame) }
    }
}

/// What [`AddressSpace::unmap`] took away.
#[derive(Debug)]
#[must_use = "the frame is lost unless `StaleFrame::after_flush` takes it"]
pub enum Unmapped {
    /// A frame.
    Frame(StaleFrame),
    /// A page that was swapped out, by its token.
    SwappedOut(u64),
}

impl Unmapped {
    /// The frame, if it was one, to use again or to drop.
    ///
    /// # Safety
    /// As for [`StaleFrame::after_flush`].
    #[must_use]
    pub unsafe fn after_flush(self) -> Option<Frame> {
        match self {
            // SAFETY: the caller's promise.
            Self::Frame(stale) => Some(unsafe { stale.after_flush() }),
            Self::SwappedOut(_) => None,
        }
    }
}

/// What [`AddressSpace::remove`] took away.
#[derive(Debug)]
#[must_use = "to be freed once no CPU has the translation"]
pub enum Removed {
    /// What was the address space's own.
    Own(Unmapped),
    /// A frame that others may have, too.
    Shared(StaleShare),
}

impl AddressSpace {
    /// Takes away what is at `page`.
    ///
    /// # Errors
    /// [`MapError`].
    pub fn unmap(&mut self, page: VirtAddr) -> Result<Unmapped, MapError> {
        let entry = self.used_entry(page)?;
        let state = own_state(entry);
        entry.set_unused();
        match state {
            PageState::Mapped { frame, .. } => {
                self.mapped = self.mapped.wrapping_sub(1);
                Ok(Unmapped::Frame(StaleFrame { page, frame }))
            }
            PageState::SwappedOut { token, .. } => {
                self.swapped_out = self.swapped_out.wrapping_sub(1);
                Ok(Unmapped::SwappedOut(token))
            }
            PageState::Registers { .. } | PageState::Unmapped => Err(MapError::NotMapped(page)),
        }
    }

    /// The first page from `from` up, below `end`, where anything is, after a look at `looks` page tables at most. Both are
    /// addresses of pages in the user half.
    ///
    /// # Errors
    /// Up to where nothing is: `end` or above, or less if those were too many looks.
    pub fn next_used(&mut self, from: u64, end: u64, looks: usize) -> Result<VirtAddr, u64> {
        self.tables.next_user_entry_before(VirtAddr::new(from), end, looks).map(|(page, _)| page)
    }

    /// Takes away what is at that page.
    ///
    /// # Errors
    /// As for [`Self::next_used`].
    pub fn remove_next(&mut self, from: u64, end: u64, looks: usize) -> Result<(VirtAddr, Removed), u64> {
        let (page, entry) = self.tables.next_user_entry_before(VirtAddr::new(from), end, looks)?;
        let flags = entry.flags();
        if flags.contains(PageTableFlags::PRESENT) && !flags.contains(SHARED) {
            let frame = entry.addr();
            entry.set_unused();
            self.mapped = self.mapped.wrapping_sub(1);
            return Ok((page, Removed::Own(Unmapped::Frame(StaleFrame { page, frame }))));
        }
        self.remove_other(page).map(|removed| (page, removed)).ok_or(page.as_u64().wrapping_add(PAGE_SIZE))
    }

    /// Takes away whatever is at `page`; `None` if nothing is.
    #[inline(always)]
    pub fn remove(&mut self, page: VirtAddr) -> Option<Removed> {
        let entry = self.tables.entry_mut(user_page(page).ok()?)?;
        let flags = entry.flags();
        if flags.contains(PageTableFlags::PRESENT) && !flags.contains(SHARED) {
            let frame = entry.addr();
            entry.set_unused();
            self.mapped = self.mapped.wrapping_sub(1);
            return Some(Removed::Own(Unmapped::Frame(StaleFrame { page, frame })));
        }
        self.remove_other(page)
    }

    /// The same for what is not a frame of this address space alone.
    #[inline(never)]
    fn remove_other(&mut self, page: VirtAddr) -> Option<Removed> {
        match self.unmap_shared(page) {
            Some(share) => Some(Removed::Shared(share)),
            None => self.unmap(page).ok().map(Removed::Own),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;

    use gatehouse_core::memory::Rights;
    use x86_64::VirtAddr;

    use super::super::{AddressSpace, MapError, PageState};
    use super::{Removed, Unmapped};
    use crate::memory::frame::{Frame, OutOfFrames, counters};
    use crate::memory::shared_frame::{FrameQuota, SharedFrame};
    use crate::memory::test_memory;

    fn page(number: u64) -> VirtAddr {
        VirtAddr::new(0x40_0000 + number * 4096)
    }

    #[test]
    fn whatever_is_at_a_page_is_removed_once() {
        let _guard = test_memory::frames();
        let mut space = AddressSpace::new_without_kernel().unwrap();
        assert!(space.remove(page(0)).is_none() && space.remove(VirtAddr::zero()).is_none());
        space.map_made(page(0), Frame::allocate_zeroed, Rights::ReadWrite).unwrap();
        space.map_swapped_out(page(1), 5, Rights::Read).unwrap();
        let shared = SharedFrame::new(&Arc::new(FrameQuota::default())).unwrap();
        space.map_shared(page(2), Arc::clone(&shared), Rights::Read).unwrap();
        let size = space.size();
        let end = page(3).as_u64();
        assert_eq!(space.next_used(page(0).as_u64(), end, 1), Ok(page(0)));
        let Some(Removed::Own(Unmapped::Frame(stale))) = space.remove(page(0)) else { panic!("no frame") };
        assert_eq!(stale.page(), page(0));
        // SAFETY: no CPU ran this address space.
        drop(unsafe { stale.after_flush() });
        assert!(matches!(space.remove(page(1)), Some(Removed::Own(Unmapped::SwappedOut(5)))));
        let Some(Removed::Shared(share)) = space.remove(page(2)) else { panic!("no shared frame") };
        // SAFETY: as above.
        drop(unsafe { share.after_flush() });
        assert_eq!((size - space.size(), Arc::strong_count(&shared)), (3, 1));
        assert!((0..3).all(|number| space.page(page(number)) == PageState::Unmapped));
        assert!((0..3).all(|number| space.remove(page(number)).is_none()));
    }

    #[test]
    fn a_range_is_removed_page_by_page_and_nothing_behind_it() {
        let _guard = test_memory::frames();
        let mut space = AddressSpace::new_without_kernel().unwrap();
        let shared = SharedFrame::new(&Arc::new(FrameQuota::default())).unwrap();
        space.map_made(page(1), Frame::allocate_zeroed, Rights::ReadWrite).unwrap();
        space.map_swapped_out(page(3), 5, Rights::Read).unwrap();
        space.map_shared(page(511), Arc::clone(&shared), Rights::Read).unwrap();
        // In the next table but one, and behind the range.
        space.map_swapped_out(page(1030), 6, Rights::Read).unwrap();
        space.map_swapped_out(page(1031), 7, Rights::Read).unwrap();
        let (mut at, end) = (page(0).as_u64(), page(1031).as_u64());
        let mut pages = alloc::vec::Vec::new();
        loop {
            match space.remove_next(at, end, 1) {
                Ok((page, removed)) => {
                    match removed {
                        // SAFETY: no CPU ran this address space.
                        Removed::Own(Unmapped::Frame(stale)) => drop(unsafe { stale.after_flush() }),
                        // SAFETY: no CPU ran this address space.
                        Removed::Shared(share) => drop(unsafe { share.after_flush() }),
                        Removed::Own(Unmapped::SwappedOut(_)) => {}
                    }
                    pages.push(page);
                    at = page.as_u64() + 4096;
                }
                // One look is one table, or a place where there is none.
                Err(reached) if reached < end => {
                    assert!(reached > at && reached.is_multiple_of(0x20_0000));
                    at = reached;
                }
                Err(_) => break,
            }
        }
        assert_eq!(pages, [page(1), page(3), page(511), page(1030)]);
        assert_eq!(space.next_used(page(0).as_u64(), page(1032).as_u64(), 9), Ok(page(1031)));
        assert_eq!(Arc::strong_count(&shared), 1);
    }

    #[test]
    fn a_frame_is_made_only_for_a_page_that_takes_it() {
        let _guard = test_memory::frames();
        let mut space = AddressSpace::new_without_kernel().unwrap();
        space.map_made(page(0), Frame::allocate, Rights::Read).unwrap();
        let free = counters().free;
        let refused = space.map_made(page(0), || panic!("a frame that nobody needs"), Rights::Read);
        assert_eq!(refused, Err(MapError::AlreadyMapped(page(0))));
        assert_eq!(space.map_made(page(1), || Err(OutOfFrames), Rights::Read), Err(MapError::OutOfFrames));
        assert_eq!((space.page(page(1)), counters().free), (PageState::Unmapped, free));
    }
}
