//! DS, ES, FS and GS. In 64-bit mode their selectors mean nothing, but ring 3 can load what its rights allow, null among it in four
//! forms, and read it back: a register like any other, which no thread is to leave to the next one.

use core::arch::asm;

/// Whether any of the four holds something else than 0.
#[must_use]
#[inline(always)]
pub fn are_any_loaded() -> bool {
    let all: u32;
    // SAFETY: reading selectors changes nothing but the flags.
    unsafe {
        asm!(
            "mov {0:e}, ds", "mov {1:e}, es", "or {0:e}, {1:e}",
            "mov {1:e}, fs", "or {0:e}, {1:e}",
            "mov {1:e}, gs", "or {0:e}, {1:e}",
            out(reg) all, out(reg) _, options(nomem, nostack)
        );
    }
    all != 0
}

/// Loads 0 into all four.
///
/// # Safety
/// Kernel GS in use. The bases of the thread that ran are saved, and those of the next one are loaded after this: on some
/// processors a null selector clears the base, on others it does not.
#[cold]
#[inline(never)]
pub unsafe fn clear() {
    // SAFETY: null selectors may be loaded; GS is loaded while the user's base is in force, and nothing uses GS in between.
    unsafe {
        asm!("mov ds, {0:e}", "mov es, {0:e}", "mov fs, {0:e}", "swapgs", "mov gs, {0:e}", "swapgs", in(reg) 0_u32,
             options(nomem, nostack, preserves_flags));
    }
}
