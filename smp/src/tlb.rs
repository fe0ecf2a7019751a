//! TLB shootdown: other CPUs forget translations that the page tables no longer have.
//!
//! The caller changes the page tables, flushes its own TLB, and makes a [`Call`](crate::call::Call) with a [`Flush`] as its
//! operation; it frees the pages only after that succeeded. A CPU that does not answer may still use the old
//! translations.

use x86_64::VirtAddr;
use x86_64::instructions::tlb;
use x86_64::registers::control::{Cr4, Cr4Flags};

/// Bytes of the smallest page.
const PAGE_SIZE: u64 = 4096;

/// What is to be flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// Everything, global translations included.
    All,
    /// Everything but global translations.
    NonGlobal,
    /// Some pages, global or not. With process-context identifiers, of the current one only.
    Range {
        /// The first page.
        start: VirtAddr,
        /// The number of 4 KiB pages, at most [`Flush::MOST_PAGES`].
        pages: u32,
    },
}

impl Flush {
    /// Beyond so many pages flushing everything is cheaper than page by page.
    pub const MOST_PAGES: u32 = 32;

    /// The pages that hold any of the `length` bytes from `start` on; [`Flush::All`] when they are too many.
    #[must_use]
    pub fn range(start: VirtAddr, length: u64) -> Self {
        let first = start.align_down(PAGE_SIZE);
        let bytes = length.saturating_add(start - first);
        let pages = bytes.div_ceil(PAGE_SIZE);
        match u32::try_from(pages) {
            Ok(pages) if pages <= Self::MOST_PAGES => Self::Range { start: first, pages },
            _ => Self::All,
        }
    }

    /// Flushes the calling CPU's TLB.
    ///
    /// # Safety
    /// The code runs in ring 0, and nothing that interrupts it changes CR4.
    #[inline(always)]
    pub unsafe fn apply(self) {
        match self {
            // SAFETY: the caller's promise.
            Self::All => unsafe { flush_with_global() },
            Self::NonGlobal => tlb::flush_all(),
            Self::Range { start, pages } => {
                for page in 0..u64::from(pages) {
                    tlb::flush(VirtAddr::new_truncate(start.as_u64().wrapping_add(page * PAGE_SIZE)));
                }
            }
        }
    }
}

/// Flushes everything, global translations included.
///
/// # Safety
/// As for [`Flush::apply`].
#[inline(never)]
unsafe fn flush_with_global() {
    let cr4 = Cr4::read();
    // SAFETY: `PGE` decides only whether the TLB keeps global translations. Each change of it flushes everything: Intel SDM
    // volume 3A, "Operations that Invalidate TLBs and Paging-Structure Caches". The caller vouches for ring 0 and for CR4
    // staying as it was read.
    unsafe {
        Cr4::write(cr4 ^ Cr4Flags::PAGE_GLOBAL);
        Cr4::write(cr4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, length: u64) -> Flush {
        Flush::range(VirtAddr::new(start), length)
    }

    fn pages(start: u64, pages: u32) -> Flush {
        Flush::Range { start: VirtAddr::new(start), pages }
    }

    #[test]
    fn a_range_holds_every_page_that_is_touched() {
        assert_eq!(range(0x1000, 4096), pages(0x1000, 1));
        assert_eq!(range(0x1000, 4097), pages(0x1000, 2));
        assert_eq!(range(0x1fff, 2), pages(0x1000, 2));
        assert_eq!(range(0x1fff, 1), pages(0x1000, 1));
        assert_eq!(range(0x1000, 0), pages(0x1000, 0));
        assert_eq!(range(0xffff_ffff_ffff_f000, 4096), pages(0xffff_ffff_ffff_f000, 1));
    }

    #[test]
    fn too_many_pages_are_all() {
        assert_eq!(range(0x1000, 32 * 4096), pages(0x1000, 32));
        assert_eq!(range(0x1000, 32 * 4096 + 1), Flush::All);
        assert_eq!(range(0x1001, 32 * 4096), Flush::All);
        assert_eq!(range(0xfff, u64::MAX), Flush::All);
        assert_eq!(range(0, u64::from(u32::MAX) * 4096 + 4097), Flush::All);
    }
}
