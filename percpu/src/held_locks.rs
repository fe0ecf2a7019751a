//! How many locks the kernel holds on this CPU: so that a failure can be told from one that leaves a lock held for ever.

#[cfg(target_os = "none")]
use core::arch::asm;
use core::cell::UnsafeCell;

use crate::block::Header;
#[cfg(target_os = "none")]
use crate::block::offsets;

/// Counts one more lock on this CPU. One instruction; on the host nothing is counted.
///
/// # Safety
/// On a CPU the GS base must be that of a block in use, or of the early block.
#[inline(always)]
pub unsafe fn lock_is_taken() {
    #[cfg(target_os = "none")]
    // SAFETY: by the contract the word is a header's count, or the early block's, and only this CPU writes it.
    unsafe {
        asm!("inc dword ptr gs:[{offset}]", offset = const offsets::LOCKS_HELD, options(nostack));
    }
}

/// Counts one lock less.
///
/// # Safety
/// As for [`lock_is_taken`].
#[inline(always)]
pub unsafe fn lock_is_released() {
    #[cfg(target_os = "none")]
    // SAFETY: as above.
    unsafe {
        asm!("dec dword ptr gs:[{offset}]", offset = const offsets::LOCKS_HELD, options(nostack));
    }
}

/// Stands in for a block before the first CPU has one: so much of it as locks are counted in. All zero, so that the self
/// pointer leads nowhere.
#[repr(C, align(64))]
struct EarlyBlock(UnsafeCell<[u8; size_of::<Header>()]>);

// SAFETY: only the first CPU uses it, while it is the only one that runs.
unsafe impl Sync for EarlyBlock {}

static EARLY: EarlyBlock = EarlyBlock(UnsafeCell::new([0; size_of::<Header>()]));

/// Makes the calling CPU count its locks before it has its block. [`crate::ProcessorBlock::init`] ends that: no lock may be
/// held then.
///
/// # Safety
/// Ring 0, on the first CPU, before it uses a block.
pub unsafe fn use_early_block() {
    x86_64::registers::model_specific::GsBase::write(x86_64::VirtAddr::from_ptr(EARLY.0.get()));
}
