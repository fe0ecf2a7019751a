//! A range of the kernel's dynamic addresses, and what is mapped there.

use gatehouse_core::memory::layout::PAGE_SIZE;
use gatehouse_core::memory::{PhysicalRange, Rights};
use x86_64::structures::paging::PageTableFlags;
use x86_64::{PhysAddr, VirtAddr};

use super::error::KernelMapError;
use super::shootdown;
use super::tables::{area, tables};
use crate::memory::frame::Frame;
use crate::memory::rights;

/// A range of the dynamic area. What it maps is the user's of this type to say; the addresses come back when it drops.
#[derive(Debug)]
pub(super) struct KernelRange {
    start: u64,
    length: u64,
    /// A CPU may reach what was mapped there still.
    is_kept_back: bool,
}

impl KernelRange {
    /// Takes `length` bytes, a multiple of the page size. Nothing is mapped there.
    pub(super) fn take(length: u64) -> Result<Self, KernelMapError> {
        let start = area().take(length)?.ok_or(KernelMapError::OutOfAddresses(length))?;
        Ok(Self { start, length, is_kept_back: false })
    }

    /// First address.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// One past the last address.
    pub(super) fn end(&self) -> u64 {
        self.start + self.length
    }

    /// Moves `frame` to the page at `offset` bytes. The page is not mapped yet.
    pub(super) fn map_frame(&self, offset: u64, frame: Frame, rights: Rights) -> Result<(), KernelMapError> {
        let mut tables = tables();
        let entry = tables.entry_or_create(self.page(offset))?;
        assert!(entry.is_unused(), "a kernel page is mapped twice");
        entry.set_addr(frame.into_raw(), rights::kernel_flags(rights));
        Ok(())
    }

    /// Maps physical pages that are no frames of the allocator, from the start of the range.
    pub(super) fn map_physical(&self, range: PhysicalRange, flags: PageTableFlags) -> Result<(), KernelMapError> {
        let mut tables = tables();
        for offset in (0..range.length()).step_by(PAGE_SIZE as usize) {
            let entry = tables.entry_or_create(self.page(offset))?;
            assert!(entry.is_unused(), "a kernel page is mapped twice");
            entry.set_addr(PhysAddr::new(range.start + offset), flags);
        }
        Ok(())
    }

    fn page(&self, offset: u64) -> VirtAddr {
        assert!(offset < self.length, "a page outside its range");
        VirtAddr::new(self.start + offset)
    }

    /// Makes every page absent but leaves its entry's address, tells all CPUs, then empties the entries and shows
    /// `release` each physical address that was mapped. In this order no CPU can reach a page any more when it is
    /// released, and no list of them is needed.
    pub(super) fn unmap(&mut self, mut release: impl FnMut(PhysAddr)) {
        let pages = || (self.start..self.start + self.length).step_by(PAGE_SIZE as usize).map(VirtAddr::new);
        {
            let mut tables = tables();
            for page in pages() {
                if let Some(entry) = tables.entry_mut(page) {
                    let flags = entry.flags();
                    entry.set_flags(flags - PageTableFlags::PRESENT);
                }
            }
        }
        if !shootdown::shoot_down(VirtAddr::new(self.start), self.length / PAGE_SIZE) {
            // Neither the pages nor the addresses are used again.
            self.is_kept_back = true;
            return;
        }
        for page in pages() {
            let mut tables = tables();
            let Some(entry) = tables.entry_mut(page) else { continue };
            if entry.is_unused() {
                continue;
            }
            let physical = entry.addr();
            entry.set_unused();
            drop(tables);
            release(physical);
        }
    }
}

impl Drop for KernelRange {
    fn drop(&mut self) {
        if !self.is_kept_back {
            area().give_back(self.start, self.length);
        }
    }
}
