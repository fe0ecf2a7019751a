//! The MSRs that make SYSCALL arrive at its entry.

use x86_64::VirtAddr;
use x86_64::registers::model_specific::{LStar, SFMask, Star};
use x86_64::registers::rflags::RFlags;

/// Where SYSCALL arrives; no function to be called.
pub type SyscallEntry = unsafe extern "C" fn();

/// RFLAGS that SYSCALL clears. IF: the entry has no stack yet. DF: the compiler's `rep` instructions rely on it. TF: or the
/// entry would be single-stepped. NT: `iretq` faults with it. AC: it would suspend SMAP. RF and IOPL for tidiness.
pub const CLEARED_FLAGS: RFlags = RFlags::INTERRUPT_FLAG
    .union(RFlags::DIRECTION_FLAG)
    .union(RFlags::TRAP_FLAG)
    .union(RFlags::NESTED_TASK)
    .union(RFlags::ALIGNMENT_CHECK)
    .union(RFlags::RESUME_FLAG)
    .union(RFlags::IOPL_LOW)
    .union(RFlags::IOPL_HIGH);

/// Says where SYSCALL leads on the calling CPU; EFER.SCE lets it.
///
/// # Safety
/// The CPU's block must be in use and `entry` made for the state that SYSCALL leaves: the entry trusts the kernel's GS base behind `swapgs`.
pub unsafe fn init(entry: SyscallEntry) {
    // SAFETY: the segment order behind these bases is asserted in `percpu`.
    unsafe { Star::write_raw(percpu::STAR_SYSRET_BASE.0, percpu::STAR_SYSCALL_BASE.0) };
    LStar::write(VirtAddr::new(entry as *const () as u64));
    SFMask::write(CLEARED_FLAGS);
}
