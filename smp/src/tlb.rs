//! TLB shootdown: other CPUs forget translations that the page tables no longer have.
//!
//! The caller changes the page tables, flushes its own TLB, and makes a [call](crate::call::Port::call) with a [`Flush`] as its
//! operation; it frees the pages only after that succeeded. A CPU that does not answer may still use the old
//! translations.

use core::arch::asm;

use x86_64::VirtAddr;
use x86_64::instructions::tlb;
use x86_64::registers::control::{Cr4, Cr4Flags};

/// Bytes of the smallest page.
const PAGE_SIZE: u64 = 4096;

/// What is to be flushed.
///
/// ```
/// use smp::tlb::Flush;
/// use x86_64::VirtAddr;
///
/// let start = VirtAddr::new(0x1000);
/// assert_eq!(Flush::range(start, 4097), Flush::Range { start, pages: 2 });
/// assert_eq!(Flush::range(start, 1 << 30), Flush::All);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// Everything, global translations included.
    All,
    /// Everything but global translations. With process-context identifiers, of the current one only.
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
    /// The code runs in ring 0, and nothing that interrupts it changes CR3 or CR4.
    #[inline(always)]
    pub unsafe fn apply(self) {
        // SAFETY: the caller's promise.
        if !unsafe { self.apply_unless_all() } {
            // SAFETY: the caller's promise.
            unsafe { flush_with_global() };
        }
    }

    /// The same for all but [`Flush::All`], for which nothing is done and the answer is `false`: what takes no call and so no
    /// stack.
    ///
    /// # Safety
    /// As for [`Self::apply`].
    #[inline(always)]
    pub unsafe fn apply_unless_all(self) -> bool {
        match self {
            Self::All => return false,
            // SAFETY: the caller's promise.
            Self::NonGlobal => unsafe { flush_non_global() },
            Self::Range { start, pages } => {
                for page in 0..u64::from(pages) {
                    tlb::flush(VirtAddr::new_truncate(start.as_u64().wrapping_add(page * PAGE_SIZE)));
                }
            }
        }
        true
    }
}

/// Loads CR3 with what it holds. Not by the `x86_64` crate (0.15.5): its `flush_all` keeps bits 3 and 4 alone of the lower 12,
/// which hold the process-context identifier where CR4.PCIDE is set, and so changes address spaces.
///
/// # Safety
/// As for [`Flush::apply`].
#[inline(always)]
unsafe fn flush_non_global() {
    // SAFETY: what was read is valid, and bit 63, which would keep the TLB, always reads as 0. Without `nomem`, so that no
    // access moves across the flush. Intel SDM volume 3A, "Operations that Invalidate TLBs and Paging-Structure Caches".
    unsafe { asm!("mov {value}, cr3", "mov cr3, {value}", value = out(reg) _, options(nostack, preserves_flags)) }
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
