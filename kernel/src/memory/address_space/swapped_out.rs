//! Pages that are swapped out, and the walk that chooses which go.

use gatehouse_core::memory::Rights;
use gatehouse_core::memory::layout::PAGE_SIZE;
use x86_64::VirtAddr;
use x86_64::structures::paging::PageTableFlags;

use super::{AddressSpace, MapError, PageState, SHARED, TOKEN_LIMIT, page_state, set_swapped_out};

impl AddressSpace {
    /// Makes a page that is swapped out from the start: `token` says where its contents are.
    ///
    /// # Errors
    /// [`MapError`].
    ///
    /// # Panics
    /// When `token` is not below [`TOKEN_LIMIT`].
    pub fn map_swapped_out(&mut self, page: VirtAddr, token: u64, rights: Rights) -> Result<(), MapError> {
        assert!(token < TOKEN_LIMIT, "token {token:#x} does not fit an entry");
        let entry = self.vacant_entry(page)?;
        set_swapped_out(entry, token, rights);
        self.swapped_out = self.swapped_out.wrapping_add(1);
        Ok(())
    }

    /// The first page at `from` or above that is mapped or swapped out, and not shared.
    #[must_use]
    pub fn next_page(&mut self, mut from: VirtAddr) -> Option<(VirtAddr, PageState)> {
        loop {
            let (page, entry) = self.tables.next_user_entry(from)?;
            if !entry.flags().contains(SHARED) {
                return Some((page, page_state(entry)));
            }
            from = VirtAddr::new_truncate(page.as_u64().wrapping_add(PAGE_SIZE));
        }
    }

    /// Notes that `page` was used just now, though the processor has not said so.
    #[inline]
    pub fn set_accessed(&mut self, page: VirtAddr) {
        if let Ok(entry) = self.used_entry(page)
            && entry.flags().contains(PageTableFlags::PRESENT)
        {
            entry.set_flags(entry.flags() | PageTableFlags::ACCESSED);
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::sync::Arc;
    use std::vec::Vec;

    use gatehouse_core::memory::Rights;
    use gatehouse_core::memory::layout::{PAGE_SIZE, USER_END, USER_START};
    use proptest::prelude::*;
    use x86_64::{PhysAddr, VirtAddr};

    use super::{AddressSpace, MapError, PageState};
    use crate::memory::shared_frame::{FrameQuota, Owner, SharedFrame};
    use crate::memory::{Frame, test_memory};

    #[derive(Debug)]
    struct Device;

    impl Owner for Device {}

    #[test]
    fn a_page_can_be_away_from_the_start() {
        let _guard = test_memory::frames();
        let mut space = AddressSpace::new_without_kernel().unwrap();
        let page = VirtAddr::new(0x40_0000);
        space.map_swapped_out(page, 77, Rights::ReadWrite).unwrap();
        assert_eq!(space.page(page), PageState::SwappedOut { token: 77, rights: Rights::ReadWrite });
        assert_eq!(space.size(), space.frames() + 1);
        assert_eq!(space.map_swapped_out(page, 78, Rights::Read), Err(MapError::AlreadyMapped(page)));
        assert_eq!(space.swap_in(page, Frame::allocate_zeroed().unwrap()), Ok(77));
        assert_eq!(space.size(), space.frames());
        space.set_accessed(page);
        assert!(space.take_accessed(page) && !space.take_accessed(page));
    }

    proptest! {
        /// From wherever the walk begins, it shows what a look at every page shows, save for those that are shared: frames and
        /// registers of devices never go.
        #[test]
        fn the_walk_misses_nothing_that_may_go(
            kinds in prop::collection::btree_map(prop_oneof![
                0..4_u64,
                508..516_u64,
                0x3_fffe..0x4_0002_u64,
                Just((USER_END - USER_START) / PAGE_SIZE - 1),
            ], 0..4_u8, 0..12),
            from in prop_oneof![0..USER_END, Just(USER_START), 0..0x40_2000_u64],
        ) {
            let _guard = test_memory::frames();
            let mut space = AddressSpace::new_without_kernel().unwrap();
            let page = |number: u64| VirtAddr::new(USER_START + number * PAGE_SIZE);
            let shared = SharedFrame::new(&Arc::new(FrameQuota::default())).unwrap();
            let registers = SharedFrame::registers(PhysAddr::new(0xfeb0_0000), Arc::new(Device)).unwrap();
            for (number, kind) in &kinds {
                let page = page(*number);
                match kind {
                    0 => space.map_swapped_out(page, *number, Rights::Read),
                    1 => space.map_made(page, Frame::allocate, Rights::ReadWrite),
                    2 => space.map_shared(page, Arc::clone(&shared), Rights::ReadWrite),
                    _ => space.map_shared(page, Arc::clone(&registers), Rights::ReadWrite),
                }.unwrap();
            }
            let mut seen = Vec::new();
            let mut at = VirtAddr::new(from & !(PAGE_SIZE - 1));
            while let Some((page, state)) = space.next_page(at) {
                let kind = match state {
                    PageState::SwappedOut { .. } => 0,
                    PageState::Mapped { .. } => 1,
                    PageState::Registers { .. } | PageState::Unmapped => 9,
                };
                seen.push((page, kind));
                at = page + PAGE_SIZE;
            }
            let expected: Vec<_> = kinds
                .iter()
                .filter(|(_, kind)| **kind < 2)
                .map(|(number, kind)| (page(*number), *kind))
                .filter(|(page, _)| page.as_u64() >= from & !(PAGE_SIZE - 1))
                .collect();
            prop_assert_eq!(seen, expected);
        }
    }
}
