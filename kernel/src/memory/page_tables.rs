//! Four-level page tables, reached through the direct map.
//!
//! The walk is our own because the kernel keeps information in entries that are not present (pages that are swapped out),
//! which the `x86_64` crate's mappers have no access to. Entry and table types are that crate's.
//! Layout: Intel SDM volume 3, "4-Level Paging and 5-Level Paging".

use core::ops::Range;

use x86_64::structures::paging::page_table::PageTableLevel;
use x86_64::structures::paging::{PageTable, PageTableFlags, PageTableIndex};
use x86_64::{PhysAddr, VirtAddr};

pub(super) use x86_64::structures::paging::page_table::PageTableEntry;

use super::direct_map;
use super::frame::{Frame, OutOfFrames};

/// Entries of the top-level table that a program owns.
const USER_ENTRIES: Range<u16> = 0..256;
/// Entries of the top-level table that all address spaces share.
const KERNEL_ENTRIES: Range<u16> = 256..512;

/// Where the frames of tables come from; they must be zeroed.
pub(super) type TableSource = fn() -> Result<Frame, OutOfFrames>;

/// Why there is no table for a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoTable {
    /// More would have to be made than are allowed.
    TooMany,
    /// No frame is left.
    OutOfFrames,
}

/// A tree of page tables. It owns its top-level table and, in the user half, every table below; tables of the
/// kernel half are never freed. What leaf entries lead to is not its business.
///
/// Invariant: every present entry above the last level leads to a table that only this tree owns (user half) or
/// that only the kernel's tree changes, under its lock (kernel half). Large pages occur in the kernel half only.
#[derive(Debug)]
pub(super) struct PageTables {
    root: Frame,
    tables: u64,
    source: TableSource,
}

impl PageTables {
    /// A tree without entries; `source` gives its frames.
    pub(super) fn new(source: TableSource) -> Result<Self, OutOfFrames> {
        Ok(Self { root: source()?, tables: 1, source })
    }

    /// Takes table frames from `source` from now on.
    pub(super) fn set_source(&mut self, source: TableSource) {
        self.source = source;
    }

    /// Physical address of the top-level table.
    pub(super) fn root(&self) -> PhysAddr {
        self.root.address()
    }

    /// Frames that this tree's tables take, shared ones not counted.
    pub(super) fn frames(&self) -> u64 {
        self.tables
    }

    /// Makes this tree show what `kernel` shows in the kernel half. Top-level entries are copied: those that
    /// `kernel` gains later are not seen.
    pub(super) fn share_kernel_half(&mut self, kernel: &Self) {
        // SAFETY: both are top-level tables of live trees; they are different frames.
        let (own, shared) = unsafe { (table_mut(self.root()), table(kernel.root())) };
        for index in KERNEL_ENTRIES {
            own[PageTableIndex::new(index)] = shared[PageTableIndex::new(index)].clone();
        }
    }

    /// Makes sure that the top-level entry for `address` leads to a table.
    pub(super) fn create_second_level(&mut self, address: VirtAddr) -> Result<(), OutOfFrames> {
        self.descend(address, PageTableLevel::Three).map(|_| ())
    }

    /// The entry of the 4 KiB page at `address`; `None` when no table is there for it.
    ///
    /// # Panics
    /// When a large page covers the address.
    pub(super) fn entry(&self, address: VirtAddr) -> Option<&PageTableEntry> {
        let table_address = self.last_table(address)?;
        // SAFETY: a table of this tree; changes need `&mut self`.
        Some(unsafe { &table(table_address)[address.p1_index()] })
    }

    /// The entry of the 4 KiB page at `address`, to change.
    ///
    /// # Panics
    /// When a large page covers the address.
    pub(super) fn entry_mut(&mut self, address: VirtAddr) -> Option<&mut PageTableEntry> {
        let table_address = self.last_table(address)?;
        // SAFETY: a table of this tree, and `self` is borrowed exclusively.
        Some(unsafe { &mut table_mut(table_address)[address.p1_index()] })
    }

    /// The last-level table for `address`.
    #[inline(always)]
    fn last_table(&self, address: VirtAddr) -> Option<PhysAddr> {
        let mut next = self.root();
        for level in [PageTableLevel::Four, PageTableLevel::Three, PageTableLevel::Two] {
            // SAFETY: `next` is the root or came out of a present entry of this tree; changes need `&mut self`.
            let entry = unsafe { &table(next)[address.page_table_index(level)] };
            next = lower_table(entry, address)?;
        }
        Some(next)
    }

    /// The entry of the 4 KiB page at `address`, with tables made on the way.
    ///
    /// # Errors
    /// [`OutOfFrames`]; tables that were made stay for the next time.
    ///
    /// # Panics
    /// When a large page covers the address.
    pub(super) fn entry_or_create(&mut self, address: VirtAddr) -> Result<&mut PageTableEntry, OutOfFrames> {
        self.entry_or_create_within(address, u64::MAX).map_err(|_| OutOfFrames)
    }

    /// The same if no more than `most` tables have to be made for it; else nothing changes.
    ///
    /// # Errors
    /// [`NoTable`].
    ///
    /// # Panics
    /// When a large page covers the address.
    #[inline(always)]
    pub(super) fn entry_or_create_within(
        &mut self,
        address: VirtAddr,
        most: u64,
    ) -> Result<&mut PageTableEntry, NoTable> {
        // As a rule it is there, which is found out in half the time.
        let table = match self.last_table(address) {
            Some(table) => table,
            None => self.make_last_table(address, most)?,
        };
        // SAFETY: both answer a table of this tree, and `self` is borrowed exclusively.
        Ok(unsafe { &mut table_mut(table)[address.p1_index()] })
    }

    #[inline(never)]
    fn make_last_table(&mut self, address: VirtAddr, most: u64) -> Result<PhysAddr, NoTable> {
        if most < 3 && self.missing_tables(address.as_u64(), address.as_u64() + 1) > most {
            return Err(NoTable::TooMany);
        }
        self.descend(address, PageTableLevel::One).map_err(|OutOfFrames| NoTable::OutOfFrames)
    }

    /// How many tables are not there that 4 KiB pages everywhere from `start` to `end` need, addresses of the user half.
    pub(super) fn missing_tables(&self, start: u64, end: u64) -> u64 {
        let levels = [PageTableLevel::Four, PageTableLevel::Three, PageTableLevel::Two];
        let missing_below = |level: PageTableLevel| {
            let bytes = level.entry_address_space_alignment();
            let regions = (start & !(bytes - 1)..end).step_by(bytes as usize);
            regions.filter(|region| !self.has_table(VirtAddr::new(*region), level)).count() as u64
        };
        levels.into_iter().map(missing_below).sum()
    }

    /// Whether the entry of `level` for `address` is there and leads to a table.
    fn has_table(&self, address: VirtAddr, level: PageTableLevel) -> bool {
        let (mut next, mut at) = (self.root(), PageTableLevel::Four);
        loop {
            // SAFETY: `next` is the root or came out of a present entry of this tree; changes need `&mut self`.
            let entry = unsafe { &table(next)[address.page_table_index(at)] };
            let Some(lower) = lower_table(entry, address) else { return false };
            if at == level {
                return true;
            }
            next = lower;
            at = at.next_lower_level().unwrap_or(level);
        }
    }

    /// The entry of the 2 MiB page at `address`, with tables made on the way.
    ///
    /// # Errors
    /// [`OutOfFrames`].
    pub(super) fn large_entry_or_create(&mut self, address: VirtAddr) -> Result<&mut PageTableEntry, OutOfFrames> {
        let table = self.descend(address, PageTableLevel::Two)?;
        // SAFETY: as in `entry_or_create`.
        Ok(unsafe { &mut table_mut(table)[address.p2_index()] })
    }

    /// The table of `level` for `address`, made if it is not there.
    fn descend(&mut self, address: VirtAddr, level: PageTableLevel) -> Result<PhysAddr, OutOfFrames> {
        let user = if USER_ENTRIES.contains(&u16::from(address.p4_index())) {
            PageTableFlags::USER_ACCESSIBLE
        } else {
            PageTableFlags::empty()
        };
        let mut next = self.root();
        let mut at = PageTableLevel::Four;
        while at > level {
            // SAFETY: `next` is the root or came out of a present entry of this tree; `self` is borrowed exclusively.
            let entry = unsafe { &mut table_mut(next)[address.page_table_index(at)] };
            next = match lower_table(entry, address) {
                Some(lower) => lower,
                None => {
                    let frame = (self.source)()?.into_raw();
                    self.tables += 1;
                    // Rights are decided in the last level: the processor takes the least of all levels.
                    entry.set_addr(frame, PageTableFlags::PRESENT | PageTableFlags::WRITABLE | user);
                    frame
                }
            };
            at = at.next_lower_level().unwrap_or(level);
        }
        Ok(next)
    }

    /// The first used last-level entry of the user half at `from` or above, with its page.
    pub(super) fn next_user_entry(&mut self, from: VirtAddr) -> Option<(VirtAddr, &mut PageTableEntry)> {
        const END: u64 = (USER_ENTRIES.end as u64) << 39;
        self.next_user_entry_before(from, END, usize::MAX).ok()
    }

    /// The same, of the pages below `end` only, and after a look at `looks` tables at most.
    ///
    /// # Errors
    /// Up to where all entries are unused: `end` or above, or less if those were too many looks.
    pub(super) fn next_user_entry_before(
        &mut self,
        from: VirtAddr,
        end: u64,
        mut looks: usize,
    ) -> Result<(VirtAddr, &mut PageTableEntry), u64> {
        let mut at = from.as_u64();
        'table: while at < end && looks > 0 {
            looks -= 1;
            let mut next = self.root();
            for level in [PageTableLevel::Four, PageTableLevel::Three, PageTableLevel::Two] {
                let address = VirtAddr::new(at);
                // SAFETY: `next` is the root or came out of a present entry of this tree, which is borrowed exclusively.
                let entry = unsafe { &table(next)[address.page_table_index(level)] };
                let Some(lower) = lower_table(entry, address) else {
                    let size = level.entry_address_space_alignment();
                    at = (at / size + 1) * size;
                    continue 'table;
                };
                next = lower;
            }
            // SAFETY: as above.
            let last = unsafe { table_mut(next) };
            let first = usize::from(VirtAddr::new(at).p1_index());
            let base = at & !(PageTableLevel::Two.entry_address_space_alignment() - 1);
            let pages = (end - base).div_ceil(PageTableLevel::One.entry_address_space_alignment());
            // A plain loop: most of the time of a long unmapping is spent here.
            let (mut index, behind) = (first, pages.min(512) as usize);
            while index < behind && last[index].is_unused() {
                index += 1;
            }
            if index < behind {
                let page = base + index as u64 * PageTableLevel::One.entry_address_space_alignment();
                return Ok((VirtAddr::new(page), &mut last[index]));
            }
            at = base + PageTableLevel::Two.entry_address_space_alignment();
        }
        Err(at)
    }

    /// Shows every used last-level entry of the user half to `visitor`, by rising address.
    pub(super) fn for_each_user_entry(&mut self, mut visitor: impl FnMut(VirtAddr, &mut PageTableEntry)) {
        // SAFETY: a top-level table of a live tree, borrowed exclusively.
        let root = unsafe { table_mut(self.root()) };
        for index in USER_ENTRIES {
            let entry = &root[PageTableIndex::new(index)];
            if let Some(lower) = lower_table(entry, VirtAddr::zero()) {
                visit(lower, PageTableLevel::Three, u64::from(index) << 39, &mut visitor);
            }
        }
    }
}

/// Shows the used last-level entries below the table at `address`, whose first page is at virtual address `base`.
fn visit(address: PhysAddr, level: PageTableLevel, base: u64, visitor: &mut impl FnMut(VirtAddr, &mut PageTableEntry)) {
    // SAFETY: the callers pass a table of the user half of a tree that they have borrowed exclusively.
    let table = unsafe { table_mut(address) };
    for (index, entry) in table.iter_mut().enumerate() {
        let page = VirtAddr::new(base + index as u64 * level.entry_address_space_alignment());
        match level.next_lower_level() {
            None if !entry.is_unused() => visitor(page, entry),
            None => {}
            Some(lower_level) => {
                if let Some(lower) = lower_table(entry, page) {
                    visit(lower, lower_level, page.as_u64(), visitor);
                }
            }
        }
    }
}

/// Frees the table at `address` and all tables below it.
///
/// # Safety
/// The table is of the user half of a tree that is not used any more, by no processor either.
unsafe fn free(address: PhysAddr, level: PageTableLevel) {
    if let Some(lower_level) = level.next_lower_level() {
        // SAFETY: a live table, see above.
        for entry in unsafe { table(address) }.iter() {
            if let Some(lower) = lower_table(entry, VirtAddr::zero()) {
                // SAFETY: the caller's promise holds for the tables below.
                unsafe { free(lower, lower_level) };
            }
        }
    }
    // SAFETY: the frame was moved into the tree by `descend`, and the one entry that led to it is not followed again.
    drop(unsafe { Frame::from_raw(address) });
}

impl Drop for PageTables {
    fn drop(&mut self) {
        for index in USER_ENTRIES {
            // SAFETY: the top-level table is this value's own.
            let entry = unsafe { &table(self.root())[PageTableIndex::new(index)] };
            if let Some(lower) = lower_table(entry, VirtAddr::zero()) {
                // SAFETY: the tree ends here, and who drops a tree has it out of every processor's CR3 (see
                // `AddressSpace::activate`).
                unsafe { free(lower, PageTableLevel::Three) };
            }
        }
    }
}

/// The table that an entry above the last level leads to.
///
/// # Panics
/// When the entry maps a large page: 4 KiB pages are asked for where there is none.
#[inline(always)]
fn lower_table(entry: &PageTableEntry, address: VirtAddr) -> Option<PhysAddr> {
    let flags = entry.flags();
    if !flags.contains(PageTableFlags::PRESENT) {
        return None;
    }
    assert!(!flags.contains(PageTableFlags::HUGE_PAGE), "a large page covers {address:?}");
    Some(entry.addr())
}

/// The table at `address`.
///
/// # Safety
/// A live page table is there, and nobody changes it during `'a`, except for the processor's accessed and dirty bits.
unsafe fn table<'a>(address: PhysAddr) -> &'a PageTable {
    // SAFETY: table frames are page-aligned and within the direct map; any bits are a valid entry.
    unsafe { &*direct_map::pointer(address.as_u64()).cast() }
}

/// The table at `address`, to change.
///
/// # Safety
/// A live page table is there, and nobody else uses it during `'a`, except for the processor.
unsafe fn table_mut<'a>(address: PhysAddr) -> &'a mut PageTable {
    // SAFETY: as in `table`.
    unsafe { &mut *direct_map::pointer(address.as_u64()).cast() }
}
