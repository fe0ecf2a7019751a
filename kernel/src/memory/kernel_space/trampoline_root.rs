//! Page tables for a CPU that is about to enter 64-bit mode.

use gatehouse_core::memory::Rights;
use x86_64::{PhysAddr, VirtAddr};

use super::tables::share_kernel_half;
use crate::memory::frame::{Frame, OutOfFrames};
use crate::memory::page_tables::PageTables;
use crate::memory::rights;

/// A top-level table below 4 GiB, within reach of a 32-bit CR3, that shows one page at its physical address besides the
/// kernel's half. Dropped when no CPU uses it any more.
#[derive(Debug)]
pub struct TrampolineRoot {
    tables: PageTables,
}

/// Makes the tables for the trampoline at `trampoline`, a page below 4 GiB. The page can be read and executed there, not
/// written: what starting CPUs write, the accessed bits of descriptors included, must be written before paging or
/// through the kernel's half.
///
/// # Errors
/// [`OutOfFrames`].
///
/// # Panics
/// When the address is not page-aligned, or not below 4 GiB.
pub fn trampoline_root(trampoline: PhysAddr) -> Result<TrampolineRoot, OutOfFrames> {
    assert!(trampoline.is_aligned(gatehouse_core::memory::layout::PAGE_SIZE), "the trampoline is a page");
    assert!(u32::try_from(trampoline.as_u64()).is_ok(), "the trampoline is within reach of 32-bit code");
    let mut tables = PageTables::new(Frame::allocate_below_4g)?;
    share_kernel_half(&mut tables);
    let flags = rights::flags(Rights::ReadExecute) | x86_64::structures::paging::PageTableFlags::PRESENT;
    tables.entry_or_create(VirtAddr::new(trampoline.as_u64()))?.set_addr(trampoline, flags);
    Ok(TrampolineRoot { tables })
}

impl TrampolineRoot {
    /// Physical address of the top-level table, for CR3.
    ///
    /// # Panics
    /// Never: the frame is below 4 GiB.
    #[must_use]
    pub fn address(&self) -> u32 {
        u32::try_from(self.tables.root().as_u64()).expect("allocated below 4 GiB")
    }
}
