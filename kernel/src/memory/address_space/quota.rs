//! How much an address space may hold.
//!
//! Every page comes by [`AddressSpace::vacant_entry`], so that no way to map one can forget to ask. What goes away and comes
//! back asks nothing: a page that is swapped out counts like one that is there.

use gatehouse_core::memory::layout::PAGE_SIZE;
use gatehouse_core::memory::{Rights, UserRange};
use x86_64::VirtAddr;

use super::{AddressSpace, MapError, user_page};
use crate::memory::Frame;
use crate::memory::page_tables::{NoTable, PageTableEntry};
use crate::memory::rights;

/// The most that an address space may hold, in frames: pages, those that are swapped out and those that are shared among them, and
/// page tables. 128 MiB.
pub const QUOTA: u64 = 32 * 1024;

impl AddressSpace {
    /// Frames that it would hold if no page were swapped out: what the quota counts.
    #[must_use]
    #[inline(always)]
    pub fn size(&self) -> u64 {
        self.frames().wrapping_add(self.swapped_out)
    }

    /// Frames that the quota still has room for.
    #[inline(always)]
    const fn room(&self, size: u64) -> u64 {
        self.quota.saturating_sub(size)
    }

    /// The entry of a page that is to be mapped, which has room in the quota with the tables that it needs. These are made.
    ///
    /// # Errors
    /// [`MapError`].
    #[inline(always)]
    pub(super) fn vacant_entry(&mut self, page: VirtAddr) -> Result<&mut PageTableEntry, MapError> {
        let room = self.room(self.size());
        self.vacant_entry_within(page, room)
    }

    #[inline(always)]
    fn vacant_entry_within(&mut self, page: VirtAddr, room: u64) -> Result<&mut PageTableEntry, MapError> {
        let page = user_page(page)?;
        // One frame is the page's own.
        let tables = room.saturating_sub(1);
        let entry = self.tables.entry_or_create_within(page, tables).map_err(|refused| match refused {
            NoTable::TooMany => MapError::QuotaReached,
            NoTable::OutOfFrames => MapError::OutOfFrames,
        })?;
        if !entry.is_unused() {
            return Err(MapError::AlreadyMapped(page));
        }
        if room == 0 { Err(MapError::QuotaReached) } else { Ok(entry) }
    }

    /// Puts a frame at `page` that counts like any other, but is not refused for the quota: what bounds the number of such
    /// pages is another quota.
    ///
    /// # Errors
    /// [`MapError`]; the frame is freed then.
    pub fn map_beyond_quota(&mut self, page: VirtAddr, frame: Frame, rights: Rights) -> Result<(), MapError> {
        let entry = self.vacant_entry_within(page, u64::MAX)?;
        entry.set_addr(frame.into_raw(), rights::user_flags(rights));
        self.mapped = self.mapped.wrapping_add(1);
        Ok(())
    }

    /// Whether pages everywhere in a range that is empty would fit the quota, with the tables that they need.
    ///
    /// # Errors
    /// [`MapError::QuotaReached`].
    pub fn check_quota(&self, range: UserRange) -> Result<(), MapError> {
        let (pages, room) = (range.length() / PAGE_SIZE, self.room(self.size()));
        // Most often there is room for more tables than there can be: two of each level, where the range crosses from one to the next,
        // and no more than one for each other page.
        let fits = pages.saturating_mul(2).saturating_add(6) <= room
            || pages <= room && pages.saturating_add(self.tables.missing_tables(range.start(), range.end())) <= room;
        if fits { Ok(()) } else { Err(MapError::QuotaReached) }
    }

    /// Sets another quota than [`QUOTA`].
    #[cfg(test)]
    pub(crate) const fn set_quota(&mut self, frames: u64) {
        self.quota = frames;
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::{BTreeMap, BTreeSet};
    use alloc::sync::Arc;

    use gatehouse_core::memory::layout::PAGE_SIZE;
    use gatehouse_core::memory::{Rights, UserRange};
    use proptest::prelude::*;
    use x86_64::VirtAddr;

    use super::{AddressSpace, MapError};
    use crate::memory::address_space::{Removed, Unmapped};
    use crate::memory::frame::{Frame, counters};
    use crate::memory::shared_frame::{FrameQuota, SharedFrame};
    use crate::memory::test_memory;

    #[derive(Clone, Copy, Debug)]
    enum Way {
        Map,
        MapMade,
        MapSwappedOut,
        MapShared,
        BeyondQuota,
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Map(Way, u64),
        /// As MapMemory does it: asked for the whole range first.
        MapRange(u64, u64),
        Remove(u64),
        SwapOut(u64),
        BringBack(u64),
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Kind {
        Own,
        SwappedOut,
        Shared,
    }

    /// Pages that are mapped, and tables, which stay: (bytes that an entry of their parent covers, number).
    #[derive(Default)]
    struct Model {
        pages: BTreeMap<u64, Kind>,
        tables: BTreeSet<(u64, u64)>,
    }

    fn tables_of(page: u64) -> impl Iterator<Item = (u64, u64)> {
        [1_u64 << 39, 1 << 30, 1 << 21].into_iter().map(move |bytes| (bytes, page / bytes))
    }

    impl Model {
        fn size(&self) -> u64 {
            1 + self.pages.len() as u64 + self.tables.len() as u64
        }

        fn need(&self, page: u64) -> u64 {
            1 + tables_of(page).filter(|table| !self.tables.contains(table)).count() as u64
        }

        fn put(&mut self, page: u64, kind: Kind) {
            self.tables.extend(tables_of(page));
            self.pages.insert(page, kind);
        }
    }

    fn page() -> impl Strategy<Value = u64> {
        let bases = [0x40_0000_u64, 0x1f_f000, 0x3fff_f000, 0x7f_ffff_f000, 0x2000_0000_0000];
        (prop::sample::select(bases.to_vec()), 0..4_u64).prop_map(|(base, number)| base + number * PAGE_SIZE)
    }

    fn step() -> impl Strategy<Value = Step> {
        let ways = [Way::Map, Way::MapMade, Way::MapSwappedOut, Way::MapShared, Way::BeyondQuota];
        prop_oneof![
            6 => (prop::sample::select(ways.to_vec()), page()).prop_map(|(way, page)| Step::Map(way, page)),
            1 => (page(), 1..6_u64).prop_map(|(page, pages)| Step::MapRange(page, pages)),
            2 => page().prop_map(Step::Remove),
            2 => page().prop_map(Step::SwapOut),
            1 => page().prop_map(Step::BringBack),
        ]
    }

    fn map(space: &mut AddressSpace, way: Way, page: u64, shared: &Arc<SharedFrame>) -> Result<(), MapError> {
        let page = VirtAddr::new(page);
        match way {
            Way::Map => space.map(page, Frame::allocate().unwrap(), Rights::ReadWrite),
            Way::MapMade => space.map_made(page, Frame::allocate_zeroed, Rights::ReadWrite),
            Way::MapSwappedOut => space.map_swapped_out(page, 7, Rights::ReadWrite),
            Way::MapShared => space.map_shared(page, Arc::clone(shared), Rights::Read),
            Way::BeyondQuota => space.map_beyond_quota(page, Frame::allocate().unwrap(), Rights::ReadWrite),
        }
    }

    /// Two pages on both sides of half a terabyte need two tables of each level.
    #[test]
    fn two_pages_may_need_six_tables() {
        let _guard = test_memory::frames();
        let mut space = AddressSpace::new_without_kernel().unwrap();
        let range = UserRange::new((1 << 39) - PAGE_SIZE, 2 * PAGE_SIZE).unwrap();
        for (quota, fits) in [(8, false), (9, true), (12, true), (13, true), (14, true)] {
            space.set_quota(quota);
            assert_eq!(space.check_quota(range).is_ok(), fits, "{quota}");
        }
        space.set_quota(9);
        for page in range.pages() {
            space.map_made(VirtAddr::new(page), Frame::allocate_zeroed, Rights::Read).unwrap();
        }
        assert_eq!(space.size(), 9);
    }

    proptest! {
        /// Every way to get a page, and every way to lose one, against a count of pages and tables: what does not fit is
        /// refused, all else is not, and no order of calls gets round it.
        #[test]
        fn no_way_leads_past_the_quota(quota in 1..24_u64, steps in prop::collection::vec(step(), 0..80)) {
            let _guard = test_memory::frames();
            let before = counters().free;
            let shared = SharedFrame::new(&Arc::new(FrameQuota::default())).unwrap();
            let mut space = AddressSpace::new_without_kernel().unwrap();
            space.set_quota(quota);
            let mut model = Model::default();
            for step in steps {
                match step {
                    Step::Map(way, page) => {
                        let is_free = matches!(way, Way::BeyondQuota);
                        let expected = if model.pages.contains_key(&page) {
                            Err(MapError::AlreadyMapped(VirtAddr::new(page)))
                        } else if !is_free && model.size() + model.need(page) > quota {
                            Err(MapError::QuotaReached)
                        } else {
                            Ok(())
                        };
                        prop_assert_eq!(map(&mut space, way, page, &shared), expected, "{:?}", way);
                        if expected.is_ok() {
                            model.put(page, match way {
                                Way::MapSwappedOut => Kind::SwappedOut,
                                Way::MapShared => Kind::Shared,
                                _ => Kind::Own,
                            });
                        }
                    }
                    Step::MapRange(first, pages) => {
                        let range = UserRange::new(first, pages * PAGE_SIZE).unwrap();
                        if range.pages().any(|page| model.pages.contains_key(&page)) {
                            continue;
                        }
                        let tables: BTreeSet<_> = range.pages().flat_map(tables_of).collect();
                        let need = pages + tables.difference(&model.tables).count() as u64;
                        let fits = model.size() + need <= quota;
                        prop_assert_eq!(space.check_quota(range).is_ok(), fits);
                        if fits {
                            for page in range.pages() {
                                prop_assert_eq!(map(&mut space, Way::MapMade, page, &shared), Ok(()));
                                model.put(page, Kind::Own);
                            }
                        }
                    }
                    Step::Remove(page) => {
                        let removed = space.remove(VirtAddr::new(page));
                        prop_assert_eq!(removed.is_some(), model.pages.remove(&page).is_some());
                        match removed {
                            // SAFETY: no CPU ran this address space.
                            Some(Removed::Own(Unmapped::Frame(stale))) => drop(unsafe { stale.after_flush() }),
                            // SAFETY: no CPU ran this address space.
                            Some(Removed::Shared(share)) => drop(unsafe { share.after_flush() }),
                            Some(Removed::Own(Unmapped::SwappedOut(_))) | None => {}
                        }
                    }
                    Step::SwapOut(page) => {
                        let gone = space.swap_out(VirtAddr::new(page), 7);
                        prop_assert_eq!(gone.is_ok(), model.pages.get(&page) == Some(&Kind::Own));
                        if let Ok(stale) = gone {
                            // SAFETY: no CPU ran this address space.
                            drop(unsafe { stale.after_flush() });
                            model.pages.insert(page, Kind::SwappedOut);
                        }
                    }
                    Step::BringBack(page) => {
                        let back = space.swap_in(VirtAddr::new(page), Frame::allocate().unwrap());
                        prop_assert_eq!(back.is_ok(), model.pages.get(&page) == Some(&Kind::SwappedOut));
                        if back.is_ok() {
                            model.pages.insert(page, Kind::Own);
                        }
                    }
                }
                prop_assert_eq!(space.size(), model.size());
            }
            drop((space, shared));
            prop_assert_eq!(counters().free, before);
        }
    }
}
