//! Reaching the block of the CPU that runs.

use core::arch::asm;

use crate::block::{ProcessorBlock, offsets};

/// The block of the calling CPU.
///
/// # Safety
/// The CPU must run kernel code with the kernel's GS base, after [`ProcessorBlock::init`] with the same `K`. The caller
/// must not take the reference for "this CPU" once the code could have moved to another one.
#[must_use]
#[inline(always)]
pub unsafe fn current<K>() -> &'static ProcessorBlock<K> {
    let block: *const ProcessorBlock<K>;
    // SAFETY: by the contract GS leads to a header, whose self pointer is at this offset. It never changes once the
    // block is in use, hence `nomem`: the compiler may keep the value over writes to memory.
    unsafe {
        asm!("mov {}, gs:[{offset}]", out(reg) block, offset = const offsets::SELF_POINTER,
             options(nostack, preserves_flags, nomem, pure));
    }
    // SAFETY: `init` made GS lead to a 'static block of this type.
    unsafe { &*block }
}
