//! Device memory and firmware tables in the kernel's area.

use gatehouse_core::memory::{PhysicalRange, Rights};
use x86_64::structures::paging::PageTableFlags;
use x86_64::{PhysAddr, VirtAddr};

use super::error::KernelMapError;
use super::range::KernelRange;
use crate::memory::frame;
use crate::memory::rights;

/// Highest physical address that a page table entry holds, plus one.
const PHYSICAL_LIMIT: u64 = 1 << 52;

/// Physical memory as the kernel sees it; unmapped when dropped.
#[derive(Debug)]
pub struct PhysicalMapping {
    range: KernelRange,
    offset: u64,
    length: u64,
}

/// Maps registers of a device, uncached, for ever: `length` bytes at `physical`, any alignment. The answer is the address
/// of the first byte.
///
/// # Errors
/// [`KernelMapError`]; [`KernelMapError::IsMemory`] for RAM that the kernel manages.
pub fn map_mmio(physical: PhysAddr, length: u64) -> Result<VirtAddr, KernelMapError> {
    let mapping = map_registers(physical, length)?;
    let address = mapping.address();
    mapping.leak();
    Ok(address)
}

/// As [`map_mmio`], until the mapping is dropped.
///
/// # Errors
/// As for [`map_mmio`].
pub fn map_registers(physical: PhysAddr, length: u64) -> Result<PhysicalMapping, KernelMapError> {
    let pages = pages(physical, length)?;
    if frame::is_ram(pages) {
        return Err(KernelMapError::IsMemory(pages));
    }
    // PCD and PWT together choose the strong uncached type, whatever the range registers say (Intel SDM volume 3,
    // "Page Attribute Table", the table's reset value).
    let uncached = PageTableFlags::NO_CACHE | PageTableFlags::WRITE_THROUGH;
    map(pages, physical, length, rights::kernel_flags(Rights::ReadWrite) | uncached)
}

/// Maps firmware tables, cached and read-only: `length` bytes at `physical`, any alignment.
///
/// # Errors
/// [`KernelMapError`].
pub fn map_firmware(physical: PhysAddr, length: u64) -> Result<PhysicalMapping, KernelMapError> {
    map(pages(physical, length)?, physical, length, rights::kernel_flags(Rights::Read))
}

fn pages(physical: PhysAddr, length: u64) -> Result<PhysicalRange, KernelMapError> {
    let start = physical.as_u64();
    PhysicalRange::from_length(start, length)
        .filter(|range| !range.is_empty() && range.end <= PHYSICAL_LIMIT)
        .map(|range| range.pages_around())
        .ok_or(KernelMapError::BadRange { start, length })
}

fn map(
    pages: PhysicalRange,
    physical: PhysAddr,
    length: u64,
    flags: PageTableFlags,
) -> Result<PhysicalMapping, KernelMapError> {
    let range = KernelRange::take(pages.length())?;
    let mapping = PhysicalMapping { range, offset: physical.as_u64() - pages.start, length };
    mapping.range.map_physical(pages, flags)?;
    Ok(mapping)
}

impl PhysicalMapping {
    /// Where the first byte is seen.
    #[must_use]
    pub fn address(&self) -> VirtAddr {
        VirtAddr::new(self.range.start() + self.offset)
    }

    /// Bytes that were asked for.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Keeps the mapping for ever.
    pub fn leak(self) {
        core::mem::forget(self);
    }
}

impl Drop for PhysicalMapping {
    fn drop(&mut self) {
        self.range.unmap(|_| {});
    }
}
