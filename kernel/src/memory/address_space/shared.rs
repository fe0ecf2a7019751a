//! Pages whose frames belong to others, too.
//!
//! Their entries are marked, and the address space keeps a reference to each frame. What moves or changes pages that
//! belong to one address space alone finds nothing mapped at a shared one.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;

use gatehouse_core::memory::Rights;
use intrusive_collections::{KeyAdapter, RBTree, RBTreeAtomicLink, intrusive_adapter};
use x86_64::VirtAddr;
use x86_64::structures::paging::PageTableFlags;

use super::{AddressSpace, MapError};
use crate::memory::fallible;
use crate::memory::rights;
use crate::memory::shared_frame::SharedFrame;

/// In an entry that is present: the frame is shared. Ignored by the processor.
pub(super) const SHARED: PageTableFlags = PageTableFlags::BIT_10;

/// In the entry of a page of registers: no access is cached, whatever the range registers say (Intel SDM volume 3, "Page Attribute
/// Table", the table's reset value).
pub(super) const UNCACHED: PageTableFlags = PageTableFlags::NO_CACHE.union(PageTableFlags::WRITE_THROUGH);

/// A page with its frame.
struct SharedPage {
    page: u64,
    frame: Arc<SharedFrame>,
    link: RBTreeAtomicLink,
}

intrusive_adapter!(SharedPageAdapter = Box<SharedPage>: SharedPage { link => RBTreeAtomicLink });

impl KeyAdapter<'_> for SharedPageAdapter {
    type Key = u64;

    fn get_key(&self, page: &SharedPage) -> u64 {
        page.page
    }
}

/// The pages of an address space whose frames are shared, by their addresses.
#[derive(Default)]
pub(super) struct SharedPages {
    tree: RBTree<SharedPageAdapter>,
    count: u64,
}

impl fmt::Debug for SharedPages {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SharedPages({})", self.count)
    }
}

impl SharedPages {
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    fn contains(&self, page: VirtAddr) -> bool {
        !self.tree.find(&page.as_u64()).is_null()
    }

    fn insert(&mut self, page: Box<SharedPage>) {
        self.tree.insert(page);
        self.count = self.count.wrapping_add(1);
    }

    fn remove(&mut self, page: VirtAddr) -> Option<Arc<SharedFrame>> {
        let removed = self.tree.find_mut(&page.as_u64()).remove()?;
        self.count = self.count.wrapping_sub(1);
        Some(removed.frame)
    }

    pub(super) fn clear(&mut self) {
        self.tree.clear();
        self.count = 0;
    }
}

/// A shared frame whose page is gone from the page table, but which CPUs may still reach by an old translation.
#[derive(Debug)]
#[must_use = "to be dropped once no CPU has the translation"]
pub struct StaleShare(Arc<SharedFrame>);

impl StaleShare {
    /// The reference, to be dropped.
    ///
    /// # Safety
    /// No CPU has the translation of the page any more.
    #[must_use]
    pub unsafe fn after_flush(self) -> Arc<SharedFrame> {
        self.0
    }
}

impl AddressSpace {
    /// Puts a shared frame at `page`. The entry was absent, so no CPU has to forget anything.
    ///
    /// # Errors
    /// [`MapError`]; the reference is dropped then.
    pub fn map_shared(&mut self, page: VirtAddr, frame: Arc<SharedFrame>, rights: Rights) -> Result<(), MapError> {
        let known = fallible::new_box(SharedPage { page: page.as_u64(), frame, link: RBTreeAtomicLink::new() })?;
        let frame = &known.frame;
        let caching = if frame.is_registers() { UNCACHED } else { PageTableFlags::empty() };
        let entry = self.vacant_entry(page)?;
        entry.set_addr(frame.address(), rights::user_flags(rights) | SHARED | caching);
        self.shared.insert(known);
        Ok(())
    }

    /// Pages whose frames are shared.
    #[must_use]
    pub const fn shared_pages(&self) -> u64 {
        self.shared.count()
    }

    /// Whether the frame at `page` is shared.
    #[must_use]
    pub fn is_shared(&self, page: VirtAddr) -> bool {
        self.shared.contains(page)
    }

    /// Takes away the shared frame at `page`, if there is one.
    pub fn unmap_shared(&mut self, page: VirtAddr) -> Option<StaleShare> {
        let frame = self.shared.remove(page)?;
        if let Some(entry) = self.tables.entry_mut(page) {
            entry.set_unused();
        }
        Some(StaleShare(frame))
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::sync::Arc;

    use gatehouse_core::memory::Rights;
    use proptest::prelude::*;
    use x86_64::{PhysAddr, VirtAddr};

    use super::super::{AddressSpace, MapError, PageState};
    use crate::memory::frame::{Frame, counters};
    use crate::memory::shared_frame::{FrameQuota, NoSharedFrame, Owner, SharedFrame};
    use crate::memory::test_memory;

    fn page(number: u64) -> VirtAddr {
        VirtAddr::new(0x40_0000 + number * 4096)
    }

    #[test]
    fn a_frame_outlives_all_but_its_last_reference() {
        let _guard = test_memory::frames();
        let quota = Arc::new(FrameQuota::default());
        let frame = SharedFrame::new(&quota).unwrap();
        let (mut first, mut second) =
            (AddressSpace::new_without_kernel().unwrap(), AddressSpace::new_without_kernel().unwrap());
        first.map_shared(page(0), Arc::clone(&frame), Rights::ReadWrite).unwrap();
        first.map_shared(page(1), Arc::clone(&frame), Rights::Read).unwrap();
        second.map_shared(page(0), Arc::clone(&frame), Rights::Read).unwrap();
        assert_eq!(Arc::strong_count(&frame), 4);
        assert_eq!(first.page(page(1)), PageState::Mapped { frame: frame.address(), rights: Rights::Read });
        assert_eq!(first.frames(), second.frames() + 1, "each mapping counts");
        drop(first);
        assert_eq!(Arc::strong_count(&frame), 2);
        let stale = second.unmap_shared(page(0)).unwrap();
        assert_eq!(second.page(page(0)), PageState::Unmapped);
        // SAFETY: no CPU ran this address space.
        drop(unsafe { stale.after_flush() });
        assert_eq!(Arc::strong_count(&frame), 1);
    }

    #[derive(Debug)]
    struct Device;

    impl Owner for Device {}

    #[test]
    fn registers_are_no_memory_and_keep_their_owner() {
        let _guard = test_memory::frames();
        let before = counters().free;
        let device: Arc<dyn Owner> = Arc::new(Device);
        let mut space = AddressSpace::new_without_kernel().unwrap();
        let registers = SharedFrame::registers(PhysAddr::new(0xfeb0_0000), Arc::clone(&device)).unwrap();
        space.map_shared(page(0), registers, Rights::ReadWrite).unwrap();
        assert_eq!(space.page(page(0)), PageState::Registers { rights: Rights::ReadWrite });
        assert_eq!(space.translate(page(0)), None);
        assert_eq!(space.unmap(page(0)).err(), Some(MapError::NotMapped(page(0))));
        assert_eq!(Arc::strong_count(&device), 2);
        drop(space);
        assert_eq!(Arc::strong_count(&device), 1);
        assert_eq!(counters().free, before);
    }

    #[test]
    fn what_is_for_pages_of_one_alone_leaves_shared_ones_as_they_are() {
        let _guard = test_memory::frames();
        let quota = Arc::new(FrameQuota::default());
        let frame = SharedFrame::new(&quota).unwrap();
        let mut space = AddressSpace::new_without_kernel().unwrap();
        space.map_shared(page(0), Arc::clone(&frame), Rights::Read).unwrap();
        let missing = MapError::NotMapped(page(0));
        assert_eq!(space.protect(page(0), Rights::ReadWrite), Err(missing));
        assert_eq!(space.swap_out(page(0), 1).err(), Some(missing));
        assert_eq!(space.unmap(page(0)).err(), Some(missing));
        assert_eq!(space.map(page(0), Frame::allocate().unwrap(), Rights::Read), Err(MapError::AlreadyMapped(page(0))));
        assert_eq!(space.page(page(0)), PageState::Mapped { frame: frame.address(), rights: Rights::Read });
    }

    #[test]
    fn a_quota_has_an_end_and_comes_back() {
        let _guard = test_memory::frames();
        let quota = Arc::new(FrameQuota::default());
        let mut frames: alloc::vec::Vec<_> =
            (0..FrameQuota::LIMIT).map_while(|_| SharedFrame::new(&quota).ok()).collect();
        let refused = SharedFrame::new(&quota).err();
        // The memory of the test may end before the quota does.
        let expected = if frames.len() as u64 == FrameQuota::LIMIT {
            NoSharedFrame::QuotaReached
        } else {
            NoSharedFrame::OutOfFrames
        };
        assert_eq!(refused, Some(expected));
        frames.pop();
        assert!(SharedFrame::new(&quota).is_ok());
    }

    proptest! {
        #[test]
        fn references_are_those_that_are_mapped(steps in proptest::collection::vec((0..8_u64, 0..3_usize, any::<bool>()), 0..80)) {
            let _guard = test_memory::frames();
            let before = counters().free;
            let quota = Arc::new(FrameQuota::default());
            let frames = [(); 3].map(|()| SharedFrame::new(&quota).unwrap());
            let mut space = AddressSpace::new_without_kernel().unwrap();
            let mut model = BTreeMap::new();
            for (number, index, maps) in steps {
                if maps {
                    let result = space.map_shared(page(number), Arc::clone(&frames[index]), Rights::ReadWrite);
                    prop_assert_eq!(result.is_ok(), !model.contains_key(&number));
                    model.entry(number).or_insert(index);
                } else {
                    let taken = space.unmap_shared(page(number));
                    prop_assert_eq!(taken.is_some(), model.remove(&number).is_some());
                }
                for (index, frame) in frames.iter().enumerate() {
                    prop_assert_eq!(Arc::strong_count(frame) - 1, model.values().filter(|there| **there == index).count());
                }
            }
            drop(space);
            drop(frames);
            prop_assert_eq!(counters().free, before);
        }
    }
}
