//! The region that a pager backs for its clients.

use gatehouse_runtime::Kernel;
use gatehouse_runtime::abi::Error;

/// Where the region begins: far from images, stacks and mapped memory.
pub const PAGED_REGION: u64 = 0x2000_0000_0000;

/// Gives pages of the region back.
///
/// # Errors
/// What UnmapMemory answers.
pub fn unmap_range(address: u64, length: u64) -> Result<u64, Error> {
    assert!(address >= PAGED_REGION, "only the region is given back");
    // SAFETY: nobody keeps references into the region: its users go through pointers.
    unsafe { Kernel::unmap_memory(address, length) }
}
