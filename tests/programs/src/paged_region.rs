//! The regions that a pager backs for its clients.

use gatehouse_runtime::Kernel;
use gatehouse_runtime::abi::Error;
use gatehouse_runtime::memory::PAGE_SIZE;

/// Where fresh pages come: far from images, stacks and mapped memory.
pub const PAGED_REGION: u64 = 0x2000_0000_0000;

/// Where the image is that clients share until they write.
pub const IMAGE_REGION: u64 = PAGED_REGION + (1 << 30);
/// Its pages, in three equal parts: clients read and write the first, only write the second, only read the third.
pub const IMAGE_PAGES: u64 = 24;

/// One past the stack that grows by demand.
pub const PAGED_STACK_TOP: u64 = PAGED_REGION + (2 << 30);
/// The most that it may have, in pages.
pub const PAGED_STACK_PAGES: u64 = 64;

const _: () = assert!(IMAGE_PAGES.is_multiple_of(3));

/// What the image holds: different for every word, and never 0.
#[must_use]
pub const fn image_word(page: u64, word: u64) -> u64 {
    (page + 1) << 32 | (word + 1)
}

/// Gives pages of the regions back.
///
/// # Errors
/// What UnmapMemory answers.
pub fn unmap_range(address: u64, length: u64) -> Result<u64, Error> {
    assert!((PAGED_REGION..=PAGED_STACK_TOP - PAGED_STACK_PAGES * PAGE_SIZE).contains(&address), "no region");
    // SAFETY: nobody keeps references into the regions: their users go through pointers.
    unsafe { Kernel::unmap_memory(address, length) }
}
