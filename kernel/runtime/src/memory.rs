//! Pages that belong to one owner.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::Kernel;
use crate::abi::Error;

/// Bytes of a page.
pub const PAGE_SIZE: u64 = 4096;

/// Where the linker script of this crate puts a program.
pub const IMAGE_BASE: u64 = 0x40_0000;

/// Where mappings made here begin: far above every program image, far below the stacks that the kernel maps.
const FIRST_ADDRESS: u64 = 0x10_0000_0000;

/// The next address to hand out. Addresses are not used twice; the user half lasts for terabytes of mappings.
static NEXT_ADDRESS: AtomicU64 = AtomicU64::new(FIRST_ADDRESS);

/// Zeroed, readable and writable pages with an unmapped page on either side. Dropping it unmaps them.
#[derive(Debug)]
pub struct Memory {
    address: u64,
    length: u64,
}

impl Memory {
    /// Maps at least `bytes` bytes, rounded up to pages.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a length of zero or beyond the user half; else what MapMemory answers.
    pub fn map(bytes: u64) -> Result<Self, Error> {
        let length = bytes.checked_next_multiple_of(PAGE_SIZE).ok_or(Error::InvalidArgument)?;
        let apart = length.checked_add(PAGE_SIZE).ok_or(Error::InvalidArgument)?;
        let address = NEXT_ADDRESS.fetch_add(apart, Ordering::Relaxed);
        Kernel::map_memory(address, length)?;
        Ok(Self { address, length })
    }

    /// The lowest address; page-aligned.
    #[must_use]
    pub const fn address(&self) -> u64 {
        self.address
    }

    /// The length in bytes; whole pages.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// One past the highest address; page-aligned.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.address + self.length
    }

    /// Unmaps the pages now, and tells what the kernel says of it.
    ///
    /// # Errors
    /// What UnmapMemory answers.
    pub fn unmap(self) -> Result<u64, Error> {
        let (address, length) = (self.address, self.length);
        core::mem::forget(self);
        // SAFETY: `self` was the owner of the pages and is gone; references into them borrow from it.
        unsafe { Kernel::unmap_memory(address, length) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: this is the owner's end; references into the pages borrow from it.
        let _ = unsafe { Kernel::unmap_memory(self.address, self.length) };
    }
}
