//! A program's memory.
//!
//! The page table itself is the list of what is mapped: an entry is empty, leads to a frame that the address space
//! owns, or says which token stands for a page that is swapped out. Changes need `&mut`: whoever shares an
//! address space between CPUs puts a lock around it.
//!
//! Whatever takes a translation away answers a value that keeps the frame until the caller has told the other CPUs.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use core::fmt;

use gatehouse_core::memory::layout::{PAGE_SIZE, USER_END, USER_START};
use gatehouse_core::memory::{Rights, UserRange};
use x86_64::structures::paging::PageTableFlags;
use x86_64::{PhysAddr, VirtAddr};

use super::fallible::OutOfHeap;
use super::frame::{Frame, OutOfFrames};
use super::kernel_space;
use super::page_tables::{PageTableEntry, PageTables};
use super::rights;

pub use quota::QUOTA;
pub use shared::StaleShare;
use shared::{SHARED, SharedPages};
pub use unmapped::{Removed, StaleFrame, Unmapped};

/// In an entry that is not present: the address bits hold a token. The processor ignores all bits of such an entry.
const SWAPPED_OUT: PageTableFlags = PageTableFlags::BIT_9;

/// Tokens are smaller than this: they stand where an entry holds bits 12 to 51 of an address.
pub const TOKEN_LIMIT: u64 = 1 << 40;

/// Why a page cannot be mapped, unmapped or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// The address is not a multiple of the page size.
    NotAligned(VirtAddr),
    /// This many bytes from this address are not all in the user half.
    OutsideUserHalf(u64, u64),
    /// Something is mapped there, or swapped out from there.
    AlreadyMapped(VirtAddr),
    /// Nothing is mapped there.
    NotMapped(VirtAddr),
    /// The quota has no room for the page and its page tables.
    QuotaReached,
    /// No frame is left for a page table.
    OutOfFrames,
    /// The kernel heap has no room to remember a frame that is shared.
    OutOfHeap,
}

impl fmt::Display for MapError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAligned(page) => write!(formatter, "{page:#x} is not the address of a page"),
            Self::OutsideUserHalf(start, length) => {
                write!(formatter, "{length:#x} bytes at {start:#x} are not in the user half")
            }
            Self::AlreadyMapped(page) => write!(formatter, "{page:#x} is mapped already"),
            Self::NotMapped(page) => write!(formatter, "{page:#x} is not mapped"),
            Self::QuotaReached => formatter.write_str("the quota of memory is used up"),
            Self::OutOfFrames => OutOfFrames.fmt(formatter),
            Self::OutOfHeap => OutOfHeap.fmt(formatter),
        }
    }
}

impl core::error::Error for MapError {}

impl From<OutOfHeap> for MapError {
    fn from(_: OutOfHeap) -> Self {
        Self::OutOfHeap
    }
}

impl From<OutOfFrames> for MapError {
    fn from(_: OutOfFrames) -> Self {
        Self::OutOfFrames
    }
}

/// What is at a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageState {
    /// Nothing.
    Unmapped,
    /// A frame.
    Mapped {
        /// Its physical address.
        frame: PhysAddr,
        /// What the program may do with it.
        rights: Rights,
    },
    /// A page of a device's registers, which the kernel does not touch.
    Registers {
        /// What the program may do with it.
        rights: Rights,
    },
    /// A page whose contents are elsewhere.
    SwappedOut {
        /// What [`AddressSpace::swap_out`] was told.
        token: u64,
        /// What the program may do with it.
        rights: Rights,
    },
}

/// A physical address with the rights of its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// The byte's physical address.
    pub physical: PhysAddr,
    /// What the program may do with it.
    pub rights: Rights,
}

/// The memory of one program: its own user half, and the kernel's half, which is the same in all.
#[derive(Debug)]
pub struct AddressSpace {
    tables: PageTables,
    mapped: u64,
    swapped_out: u64,
    quota: u64,
    /// Frames that are shared, by the addresses of their pages.
    shared: SharedPages,
}

impl AddressSpace {
    /// An address space with an empty user half.
    ///
    /// # Errors
    /// [`OutOfFrames`].
    pub fn new() -> Result<Self, OutOfFrames> {
        let mut tables = PageTables::new(Frame::allocate_zeroed)?;
        kernel_space::share_kernel_half(&mut tables);
        Ok(Self { tables, mapped: 0, swapped_out: 0, quota: QUOTA, shared: SharedPages::default() })
    }

    /// An address space that no processor could run, for host tests.
    #[cfg(test)]
    pub(crate) fn new_without_kernel() -> Result<Self, OutOfFrames> {
        Ok(Self {
            tables: PageTables::new(Frame::allocate_zeroed)?,
            mapped: 0,
            swapped_out: 0,
            quota: QUOTA,
            shared: SharedPages::default(),
        })
    }

    /// Physical address of the top-level table, for [`activate`](super::activate).
    #[must_use]
    pub fn root(&self) -> PhysAddr {
        self.tables.root()
    }

    /// Checks that `length` bytes from `address` are in the user half as a whole; says nothing about what is mapped.
    /// Any values are allowed; see [`UserRange`].
    ///
    /// # Errors
    /// [`MapError::OutsideUserHalf`].
    pub const fn check_user_range(address: u64, length: u64) -> Result<(), MapError> {
        match UserRange::new(address, length) {
            Some(_) => Ok(()),
            None => Err(MapError::OutsideUserHalf(address, length)),
        }
    }

    /// Frames that this address space holds: pages and page tables.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.mapped.wrapping_add(self.shared.count()).wrapping_add(self.tables.frames())
    }

    /// Puts `frame` at `page`. The entry was absent, so no CPU has to forget anything.
    ///
    /// # Errors
    /// [`MapError`]; the frame is freed then.
    pub fn map(&mut self, page: VirtAddr, frame: Frame, rights: Rights) -> Result<(), MapError> {
        self.map_made(page, || Ok(frame), rights)
    }

    /// The same with a frame that is made only when the page can take it.
    ///
    /// # Errors
    /// [`MapError`]; [`MapError::OutOfFrames`] also where `make` finds none.
    #[inline(always)]
    pub fn map_made(
        &mut self,
        page: VirtAddr,
        make: impl FnOnce() -> Result<Frame, OutOfFrames>,
        rights: Rights,
    ) -> Result<(), MapError> {
        let entry = self.vacant_entry(page)?;
        entry.set_addr(make()?.into_raw(), rights::user_flags(rights));
        self.mapped = self.mapped.wrapping_add(1);
        Ok(())
    }

    /// Changes the rights of `page`. When rights were taken away they are gone only when every CPU that runs this
    /// address space forgot the page's translation.
    ///
    /// # Errors
    /// [`MapError`].
    pub fn protect(&mut self, page: VirtAddr, rights: Rights) -> Result<(), MapError> {
        let entry = self.used_entry(page)?;
        match own_state(entry) {
            PageState::Mapped { frame, .. } => entry.set_addr(frame, rights::user_flags(rights)),
            PageState::SwappedOut { token, .. } => set_swapped_out(entry, token, rights),
            PageState::Registers { .. } | PageState::Unmapped => return Err(MapError::NotMapped(page)),
        }
        Ok(())
    }

    /// Takes the frame at `page` away and leaves `token` in its place. The contents are final when every CPU that
    /// runs this address space forgot the page's translation.
    ///
    /// # Errors
    /// [`MapError`]; [`MapError::NotMapped`] too when the page is swapped out already.
    ///
    /// # Panics
    /// When `token` is not below [`TOKEN_LIMIT`].
    pub fn swap_out(&mut self, page: VirtAddr, token: u64) -> Result<StaleFrame, MapError> {
        assert!(token < TOKEN_LIMIT, "token {token:#x} does not fit an entry");
        let entry = self.used_entry(page)?;
        let PageState::Mapped { frame, rights } = own_state(entry) else { return Err(MapError::NotMapped(page)) };
        set_swapped_out(entry, token, rights);
        self.mapped = self.mapped.wrapping_sub(1);
        self.swapped_out = self.swapped_out.wrapping_add(1);
        Ok(StaleFrame::new(page, frame))
    }

    /// Puts `frame`, with the contents that were swapped out, at `page`, with the rights that the page has; answers the token.
    ///
    /// # Errors
    /// [`MapError`]; [`MapError::AlreadyMapped`] when the page is not away. The frame is freed then.
    pub fn swap_in(&mut self, page: VirtAddr, frame: Frame) -> Result<u64, MapError> {
        let entry = self.used_entry(page)?;
        let PageState::SwappedOut { token, rights } = own_state(entry) else {
            return Err(MapError::AlreadyMapped(page));
        };
        entry.set_addr(frame.into_raw(), rights::user_flags(rights));
        self.mapped = self.mapped.wrapping_add(1);
        self.swapped_out = self.swapped_out.wrapping_sub(1);
        Ok(token)
    }

    /// What is at the page of `address`. Any address is allowed; nothing is mapped outside the user half.
    #[must_use]
    pub fn page(&self, address: VirtAddr) -> PageState {
        if UserRange::new(address.as_u64(), 1).is_none() {
            return PageState::Unmapped;
        }
        self.tables.entry(address).map_or(PageState::Unmapped, page_state)
    }

    /// Where the byte at user address `address` lies. Any address is allowed; `None` when nothing is mapped there.
    #[must_use]
    pub fn translate(&self, address: VirtAddr) -> Option<Translation> {
        match self.page(address) {
            PageState::Mapped { frame, rights } => {
                let physical = PhysAddr::new_truncate(frame.as_u64() | (address.as_u64() % PAGE_SIZE));
                Some(Translation { physical, rights })
            }
            _ => None,
        }
    }

    /// Whether the processor used `page` since this was asked last. A CPU that holds the translation does not say so
    /// again until it forgets it.
    pub fn take_accessed(&mut self, page: VirtAddr) -> bool {
        let Ok(entry) = self.used_entry(page) else { return false };
        let flags = entry.flags();
        let accessed = flags.contains(PageTableFlags::PRESENT | PageTableFlags::ACCESSED);
        if accessed {
            entry.set_flags(flags.difference(PageTableFlags::ACCESSED));
        }
        accessed
    }

    /// Shows every page that is mapped or swapped out, by rising address.
    pub fn for_each_page(&mut self, mut visitor: impl FnMut(VirtAddr, PageState)) {
        self.tables.for_each_user_entry(|page, entry| visitor(page, page_state(entry)));
    }

    /// The lowest address, not below `from`, where `pages` pages in a row hold nothing. `None` when there is none.
    #[must_use]
    pub fn find_unmapped(&mut self, from: u64, pages: u64) -> Option<VirtAddr> {
        let length = pages.checked_mul(PAGE_SIZE).filter(|length| *length > 0)?;
        let mut candidate = from.max(USER_START).checked_next_multiple_of(PAGE_SIZE)?;
        self.for_each_page(|page, _| {
            let page = page.as_u64();
            if page.checked_sub(candidate).is_some_and(|between| between < length) {
                candidate = page.saturating_add(PAGE_SIZE);
            }
        });
        candidate.checked_add(length).filter(|end| *end <= USER_END).map(|_| VirtAddr::new(candidate))
    }

    /// Frees every page and shows `swapped_out` the token of each that is swapped out. No CPU runs this address space, nor holds
    /// translations of it.
    ///
    /// # Safety
    /// As said: no CPU has it in CR3 or has translations of it.
    pub unsafe fn clear(&mut self, mut swapped_out: impl FnMut(u64)) {
        self.tables.for_each_user_entry(|_, entry| {
            let state = page_state(entry);
            let is_shared = entry.flags().contains(SHARED);
            entry.set_unused();
            match state {
                PageState::Mapped { .. } if is_shared => {}
                // SAFETY: the frame was moved in, its entry is empty now, and no CPU can reach it.
                PageState::Mapped { frame, .. } => drop(unsafe { Frame::from_raw(frame) }),
                PageState::SwappedOut { token, .. } => swapped_out(token),
                PageState::Registers { .. } | PageState::Unmapped => {}
            }
        });
        self.mapped = 0;
        self.swapped_out = 0;
        self.shared.clear();
    }

    fn used_entry(&mut self, page: VirtAddr) -> Result<&mut PageTableEntry, MapError> {
        let entry = self.tables.entry_mut(user_page(page)?).filter(|entry| !entry.is_unused());
        let entry = entry.filter(|entry| !entry.flags().contains(SHARED));
        entry.ok_or(MapError::NotMapped(page))
    }
}

impl Drop for AddressSpace {
    /// All frames come back. The contract of [`activate`](super::activate) says that no CPU runs it any more. Tokens of
    /// pages that are swapped out are lost; [`AddressSpace::clear`] shows them.
    fn drop(&mut self) {
        // SAFETY: `activate` makes its callers promise that the address space lives as long as a CPU has it loaded, and
        // loading another forgets the translations, as no user page is global.
        unsafe { self.clear(|_| {}) };
    }
}

/// Checks that `page` is one of the user half.
fn user_page(page: VirtAddr) -> Result<VirtAddr, MapError> {
    if !page.is_aligned(PAGE_SIZE) {
        return Err(MapError::NotAligned(page));
    }
    AddressSpace::check_user_range(page.as_u64(), PAGE_SIZE).map(|()| page)
}

fn page_state(entry: &PageTableEntry) -> PageState {
    let flags = entry.flags();
    if flags.contains(PageTableFlags::PRESENT | PageTableFlags::NO_CACHE) {
        return PageState::Registers { rights: rights::from_flags(flags) };
    }
    own_state(entry)
}

/// The state of an entry whose frame is not shared, so that it is no page of registers.
fn own_state(entry: &PageTableEntry) -> PageState {
    let flags = entry.flags();
    let rights = rights::from_flags(flags);
    if flags.contains(PageTableFlags::PRESENT) {
        PageState::Mapped { frame: entry.addr(), rights }
    } else if flags.contains(SWAPPED_OUT) {
        PageState::SwappedOut { token: entry.addr().as_u64() / PAGE_SIZE, rights }
    } else {
        PageState::Unmapped
    }
}

fn set_swapped_out(entry: &mut PageTableEntry, token: u64, rights: Rights) {
    entry.set_addr(PhysAddr::new_truncate(token.wrapping_mul(PAGE_SIZE)), rights::flags(rights) | SWAPPED_OUT);
}

mod quota;
mod shared;
mod swapped_out;
#[cfg(test)]
mod tests;
mod unmapped;
