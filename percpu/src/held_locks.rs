//! Which locks the kernel holds on this CPU: so that their order can be checked, and a failure be told from one that leaves a lock held
//! for ever.

#[cfg(target_os = "none")]
use core::arch::asm;
use core::cell::UnsafeCell;

use crate::block::Header;
#[cfg(target_os = "none")]
use crate::block::offsets;

/// A kind of lock. A CPU holds one lock of a kind at a time.
pub trait LockRank {
    /// Its place in the order in which locks are taken, and its bit in the word of locks that a CPU holds: 0 to 31.
    const PLACE: u32;
}

/// Notes one more lock on this CPU, which it may have to wait for; `false`, and nothing is noted, if the CPU holds one of the same or a
/// later rank. Three instructions; on the host nothing is noted.
///
/// # Safety
/// On a CPU the GS base must be that of a block in use, or of the early block.
#[inline(always)]
#[must_use]
pub unsafe fn hold_highest_lock<R: LockRank>() -> bool {
    #[cfg(target_os = "none")]
    // SAFETY: by the contract the word is a header's, or the early block's, and only this CPU writes it.
    unsafe {
        asm!(
            "cmp dword ptr gs:[{offset}], {bit}",
            "jae {later}",
            "or dword ptr gs:[{offset}], {bit}",
            offset = const offsets::LOCKS_HELD,
            bit = const 1_u32 << R::PLACE,
            later = label { return false },
            options(nostack),
        );
    }
    true
}

/// Notes one more lock on this CPU, whatever others it holds.
///
/// # Safety
/// As for [`hold_highest_lock`].
#[inline(always)]
pub unsafe fn hold_lock<R: LockRank>() {
    #[cfg(target_os = "none")]
    // SAFETY: by the contract the word is a header's, or the early block's, and only this CPU writes it.
    unsafe {
        asm!("or dword ptr gs:[{offset}], {bit}", offset = const offsets::LOCKS_HELD, bit = const 1_u32 << R::PLACE, options(nostack));
    }
}

/// Notes that a lock was let go.
///
/// # Safety
/// As for [`hold_highest_lock`].
#[inline(always)]
pub unsafe fn let_lock_go<R: LockRank>() {
    #[cfg(target_os = "none")]
    // SAFETY: by the contract the word is a header's, or the early block's, and only this CPU writes it.
    unsafe {
        asm!("and dword ptr gs:[{offset}], {rest}", offset = const offsets::LOCKS_HELD, rest = const !(1_i32 << R::PLACE), options(nostack));
    }
}

/// The bits of all locks that this CPU holds or waits for; 0 on the host.
///
/// # Safety
/// As for [`hold_highest_lock`].
#[inline(always)]
#[must_use]
pub unsafe fn held_locks() -> u32 {
    #[cfg(target_os = "none")]
    {
        let held;
        // SAFETY: by the contract the word is a header's, or the early block's.
        unsafe {
            asm!("mov {held:e}, gs:[{offset}]", held = out(reg) held, offset = const offsets::LOCKS_HELD, options(nostack, preserves_flags, readonly));
        }
        held
    }
    #[cfg(not(target_os = "none"))]
    0
}

/// Notes that this CPU holds no lock: what it held is broken.
///
/// # Safety
/// As for [`hold_highest_lock`].
pub unsafe fn forget_held_locks() {
    #[cfg(target_os = "none")]
    // SAFETY: by the contract the word is a header's, or the early block's, and only this CPU writes it.
    unsafe {
        asm!("mov dword ptr gs:[{offset}], 0", offset = const offsets::LOCKS_HELD, options(nostack, preserves_flags));
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
