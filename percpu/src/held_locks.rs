//! Which locks the kernel holds on this CPU: so that their order can be checked, and a failure be told from one that leaves a lock held
//! for ever.

#[cfg(target_os = "none")]
use core::arch::{asm, naked_asm};

use crate::area::BLOCK;
#[cfg(target_os = "none")]
use crate::block::offsets;

/// A kind of lock. A CPU holds one lock of a kind at a time.
pub trait LockRank {
    /// Its place in the order in which locks are taken, and its bit in the word of locks that a CPU holds: 0 to 31.
    const PLACE: u32;

    /// Called by [`hold_highest_lock`] in place of noting at once, if the CPU holds a lock of the same or a later rank, or any lock while
    /// [`LockSite`]s ask for that. If it returns, the lock is noted.
    extern "C" fn not_highest();
}

/// One place of the code that notes a lock by [`hold_highest_lock`]. They stand in the section `.lock_sites`, which a kernel must keep, as
/// an array.
///
/// `end` follows a comparison of the CPU's word with the operand `1 << place`, which is the last byte of the instruction for places below 7,
/// else the last four. With an operand of 1 there, [`LockRank::not_highest`] is called for each lock that is taken while another is held.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct LockSite {
    /// The address behind the comparison.
    pub end: u64,
    /// The rank's place.
    pub place: u64,
}

/// Notes one more lock on this CPU, which it may have to wait for. Three instructions, if it is the highest: else
/// [`LockRank::not_highest`] is asked first. On the host nothing is noted.
///
/// # Safety
/// On a CPU the GS base must be that of a block in use, or of the early block.
#[inline(always)]
pub unsafe fn hold_highest_lock<R: LockRank>() {
    #[cfg(target_os = "none")]
    // SAFETY: by the contract the word is a block's, and only this CPU writes it.
    unsafe {
        asm!(
            "cmp dword ptr gs:[{offset}], {bit}",
            "2:",
            "jae {not_highest}",
            ".pushsection .lock_sites, \"a\"",
            ".quad 2b, {place}",
            ".popsection",
            offset = const offsets::LOCKS_HELD,
            bit = const 1_u32 << R::PLACE,
            place = const R::PLACE,
            not_highest = label {
                // SAFETY: a function that keeps all registers, on an aligned stack.
                unsafe { asm!("call {keeping_registers}", keeping_registers = sym keeping_registers::<R>) }
            },
            options(nostack),
        );
        asm!("or dword ptr gs:[{offset}], {bit}", offset = const offsets::LOCKS_HELD, bit = const 1_u32 << R::PLACE, options(nostack));
    }
}

/// Calls [`LockRank::not_highest`] from the middle of any code.
///
/// On entry: the return address at `[rsp]`; interrupts as they are for the caller. All general registers are kept; flags
/// are lost. The kernel uses no others.
///
/// # Safety
/// To be called by the assembly of [`hold_highest_lock`] alone, on a kernel's stack with room for 200 bytes besides what the other needs.
#[cfg(target_os = "none")]
#[unsafe(naked)]
unsafe extern "C" fn keeping_registers<R: LockRank>() {
    naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "push rax",
        "push rcx",
        "push rdx",
        "push rsi",
        "push rdi",
        "push r8",
        "push r9",
        "push r10",
        "push r11",
        "and rsp, -16",
        "call {not_highest}",
        "lea rsp, [rbp - 72]",
        "pop r11",
        "pop r10",
        "pop r9",
        "pop r8",
        "pop rdi",
        "pop rsi",
        "pop rdx",
        "pop rcx",
        "pop rax",
        "pop rbp",
        "ret",
        not_highest = sym R::not_highest,
    )
}

/// Notes one more lock on this CPU, whatever others it holds.
///
/// # Safety
/// As for [`hold_highest_lock`].
#[inline(always)]
pub unsafe fn hold_lock<R: LockRank>() {
    #[cfg(target_os = "none")]
    // SAFETY: by the contract the word is a block's, and only this CPU writes it.
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
    // SAFETY: by the contract the word is a block's, and only this CPU writes it.
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
        // SAFETY: by the contract the word is a block's.
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
    // SAFETY: by the contract the word is a block's, and only this CPU writes it.
    unsafe {
        asm!("mov dword ptr gs:[{offset}], 0", offset = const offsets::LOCKS_HELD, options(nostack, preserves_flags));
    }
}

/// Makes the calling CPU count its locks before it has its block, in that of the template. [`crate::ProcessorBlock::init`] ends that: no
/// lock may be held then.
///
/// # Safety
/// Ring 0, on the first CPU, before it uses a block.
pub unsafe fn use_early_block() {
    x86_64::registers::model_specific::GsBase::write(x86_64::VirtAddr::from_ptr(&raw const BLOCK));
}
