//! Kernel stacks with a guard page.

use gatehouse_core::memory::Rights;
use gatehouse_core::memory::layout::PAGE_SIZE;
use x86_64::VirtAddr;

use super::error::KernelMapError;
use super::range::KernelRange;
use crate::memory::frame::Frame;

/// A stack in the kernel's area. The page below it is never mapped, so that an overflow faults. Dropping it frees it.
#[derive(Debug)]
pub struct GuardedStack {
    range: KernelRange,
}

/// Makes a stack of at least `bytes`, rounded up to whole pages, with a guard page below. Its pages are fresh; their
/// contents are zero.
///
/// # Errors
/// [`KernelMapError`].
pub fn allocate_stack(bytes: u64) -> Result<GuardedStack, KernelMapError> {
    let bad = KernelMapError::BadRange { start: 0, length: bytes };
    let length = bytes.checked_next_multiple_of(PAGE_SIZE).filter(|length| *length > 0).ok_or(bad)?;
    let stack = GuardedStack { range: KernelRange::take(length.checked_add(PAGE_SIZE).ok_or(bad)?)? };
    for offset in (PAGE_SIZE..=length).step_by(PAGE_SIZE as usize) {
        stack.range.map_frame(offset, Frame::allocate_zeroed()?, Rights::ReadWrite)?;
    }
    Ok(stack)
}

impl GuardedStack {
    /// Lowest address that is mapped.
    #[must_use]
    pub fn base(&self) -> VirtAddr {
        VirtAddr::new(self.range.start() + PAGE_SIZE)
    }

    /// One past the highest address; page-aligned.
    #[must_use]
    pub fn top(&self) -> VirtAddr {
        VirtAddr::new(self.range.end())
    }

    /// Lowest address of the guard page, which ends at [`Self::base`].
    #[must_use]
    pub fn guard(&self) -> VirtAddr {
        VirtAddr::new(self.range.start())
    }
}

impl Drop for GuardedStack {
    fn drop(&mut self) {
        self.range.unmap(|frame| {
            // SAFETY: every page of the range was mapped to a frame that was moved in, its entry is empty now, and no
            // CPU has a translation left.
            drop(unsafe { Frame::from_raw(frame) });
        });
    }
}
