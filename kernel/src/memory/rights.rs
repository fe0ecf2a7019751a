//! What may be done with a page.

use x86_64::structures::paging::PageTableFlags;

/// Access to a page. Nothing is ever both writable and executable: the combination cannot be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Read only.
    Read,
    /// Read and write.
    ReadWrite,
    /// Read and execute.
    ReadExecute,
}

impl Rights {
    /// The page table bits that say so, for a page of a program.
    pub(super) const fn user_flags(self) -> PageTableFlags {
        self.flags().union(PageTableFlags::PRESENT).union(PageTableFlags::USER_ACCESSIBLE)
    }

    /// The page table bits that say so, for a page of the kernel: the same in all address spaces.
    pub(super) const fn kernel_flags(self) -> PageTableFlags {
        self.flags().union(PageTableFlags::PRESENT).union(PageTableFlags::GLOBAL)
    }

    /// The bits of the access alone.
    pub(super) const fn flags(self) -> PageTableFlags {
        match self {
            Self::Read => PageTableFlags::NO_EXECUTE,
            Self::ReadWrite => PageTableFlags::WRITABLE.union(PageTableFlags::NO_EXECUTE),
            Self::ReadExecute => PageTableFlags::empty(),
        }
    }

    /// The access that page table bits grant.
    pub(super) const fn from_flags(flags: PageTableFlags) -> Self {
        if flags.contains(PageTableFlags::WRITABLE) {
            Self::ReadWrite
        } else if flags.contains(PageTableFlags::NO_EXECUTE) {
            Self::Read
        } else {
            Self::ReadExecute
        }
    }

    /// Whether the page can be written.
    #[must_use]
    pub const fn can_write(self) -> bool {
        matches!(self, Self::ReadWrite)
    }

    /// Whether the page can be executed.
    #[must_use]
    pub const fn can_execute(self) -> bool {
        matches!(self, Self::ReadExecute)
    }
}
