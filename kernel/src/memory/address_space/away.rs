//! Pages that are away, and the walk that chooses which go.

use x86_64::VirtAddr;
use x86_64::structures::paging::PageTableFlags;

use super::{AddressSpace, MapError, PageState, TOKEN_LIMIT, page_state, set_away, user_page};
use crate::memory::rights::Rights;

impl AddressSpace {
    /// Makes a page that is away from the start: `token` says where its contents are.
    ///
    /// # Errors
    /// [`MapError`].
    ///
    /// # Panics
    /// When `token` is not below [`TOKEN_LIMIT`].
    pub fn map_away(&mut self, page: VirtAddr, token: u64, rights: Rights) -> Result<(), MapError> {
        assert!(token < TOKEN_LIMIT, "token {token:#x} does not fit an entry");
        let entry = self.tables.entry_or_create(user_page(page)?)?;
        if !entry.is_unused() {
            return Err(MapError::AlreadyMapped(page));
        }
        set_away(entry, token, rights);
        self.away += 1;
        Ok(())
    }

    /// The first page at `from` or above that is mapped or away.
    #[must_use]
    pub fn next_page(&mut self, from: VirtAddr) -> Option<(VirtAddr, PageState)> {
        self.tables.next_user_entry(from).map(|(page, entry)| (page, page_state(entry)))
    }

    /// Notes that `page` was used just now, though the processor has not said so.
    pub fn set_accessed(&mut self, page: VirtAddr) {
        if let Ok(entry) = self.used_entry(page)
            && entry.flags().contains(PageTableFlags::PRESENT)
        {
            entry.set_flags(entry.flags() | PageTableFlags::ACCESSED);
        }
    }
}
