//! All RAM at one virtual address: how the kernel reaches physical memory.

use core::slice;

use gatehouse_core::memory::PhysicalRange;

#[cfg(not(test))]
mod window {
    use gatehouse_core::memory::layout::DIRECT_MAP_BASE;

    /// Where the byte at physical address `physical` is seen. What lies there is the caller's to know: the direct
    /// map covers memory only, not devices, and not the kernel's image.
    #[must_use]
    pub fn pointer(physical: u64) -> *mut u8 {
        core::ptr::with_exposed_provenance_mut((DIRECT_MAP_BASE + physical) as usize)
    }
}

// Host tests have no RAM of their own: an arena stands in.
#[cfg(test)]
use super::test_memory as window;

pub use window::pointer;

/// The bytes of `range` as the direct map shows them.
///
/// # Safety
/// The direct map covers the range ([`MemoryKind::is_memory`](gatehouse_core::memory::MemoryKind::is_memory), not the kernel's
/// image), and nobody writes to it any more.
#[must_use]
pub unsafe fn bytes(range: PhysicalRange) -> &'static [u8] {
    // SAFETY: the caller's promise; the direct map is never taken away.
    unsafe { slice::from_raw_parts(pointer(range.start), range.length() as usize) }
}
