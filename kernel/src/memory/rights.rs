//! Access to a page as page tables have it.

use gatehouse_core::memory::Rights;
use x86_64::structures::paging::PageTableFlags;

/// The page table bits for a page of a program.
pub(super) const fn user_flags(rights: Rights) -> PageTableFlags {
    flags(rights).union(PageTableFlags::PRESENT).union(PageTableFlags::USER_ACCESSIBLE)
}

/// The page table bits for a page of the kernel: the same in all address spaces.
pub(super) const fn kernel_flags(rights: Rights) -> PageTableFlags {
    flags(rights).union(PageTableFlags::PRESENT).union(PageTableFlags::GLOBAL)
}

/// The bits of the access alone.
pub(super) const fn flags(rights: Rights) -> PageTableFlags {
    match rights {
        Rights::Read => PageTableFlags::NO_EXECUTE,
        Rights::ReadWrite => PageTableFlags::WRITABLE.union(PageTableFlags::NO_EXECUTE),
        Rights::ReadExecute => PageTableFlags::empty(),
    }
}

/// The access that page table bits grant.
pub(super) const fn from_flags(flags: PageTableFlags) -> Rights {
    if flags.contains(PageTableFlags::WRITABLE) {
        Rights::ReadWrite
    } else if flags.contains(PageTableFlags::NO_EXECUTE) {
        Rights::Read
    } else {
        Rights::ReadExecute
    }
}
