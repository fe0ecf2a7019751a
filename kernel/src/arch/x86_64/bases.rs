//! The FS and GS bases of user threads.
//!
//! With FSGSBASE ring 3 may change them by itself, so they are read when a thread leaves the CPU. Without, only a system
//! call changes them, and the thread's record is always right.

use core::arch::asm;
use core::cell::Cell;
use core::sync::atomic::{AtomicBool, Ordering};

use x86_64::VirtAddr;
use x86_64::registers::model_specific::{FsBase, KernelGsBase};
use x86_64::registers::segmentation::{FS, GS, Segment64};

/// Whether CR4.FSGSBASE is set; the same on every CPU, written by the first before any thread runs.
static INSTRUCTIONS: AtomicBool = AtomicBool::new(false);

/// Tells this module that CR4.FSGSBASE is set on every CPU.
pub(super) fn use_instructions() {
    INSTRUCTIONS.store(true, Ordering::Relaxed);
}

/// One thread's bases.
#[derive(Debug, Default)]
pub struct UserBases {
    fs: Cell<u64>,
    gs: Cell<u64>,
}

// SAFETY: only the CPU that runs the thread, or holds it as its own, touches the bases.
unsafe impl Sync for UserBases {}

impl UserBases {
    /// Records what the CPU holds.
    ///
    /// # Safety
    /// The thread is the one whose bases are loaded; kernel GS in use.
    #[inline(always)]
    pub unsafe fn save(&self) {
        if INSTRUCTIONS.load(Ordering::Relaxed) {
            self.fs.set(FS::read_base().as_u64());
            // SAFETY: between the two swaps nothing uses GS, and IST entries do not trust it.
            unsafe {
                GS::swap();
                self.gs.set(GS::read_base().as_u64());
                GS::swap();
            }
        }
    }

    /// Whether ring 3 can change its bases by itself, and the kernel can read them fast.
    #[must_use]
    pub fn have_instructions() -> bool {
        INSTRUCTIONS.load(Ordering::Relaxed)
    }

    /// Records what the CPU holds, and makes it hold what `next` has recorded, and null in DS, ES, FS and GS: not asked first
    /// whether they are, which would take twice the instructions of loading them.
    ///
    /// # Safety
    /// The instructions exist (`have_instructions`); these are the bases of the thread that ran last on this CPU, `next` of
    /// the one that runs next; kernel GS in use.
    #[inline(always)]
    pub unsafe fn exchange(&self, next: &Self) {
        let null = 0_u32;
        self.fs.set(FS::read_base().as_u64());
        // SAFETY: as in `save` and `load`: the records hold canonical addresses only. A null selector may change the base, so each
        // is loaded between what reads the base and what writes it; GS is the user's there.
        unsafe {
            asm!("mov ds, {0:e}", "mov es, {0:e}", "mov fs, {0:e}", in(reg) null, options(nomem, nostack, preserves_flags));
            FS::write_base(VirtAddr::new_unsafe(next.fs.get()));
            GS::swap();
            self.gs.set(GS::read_base().as_u64());
            asm!("mov gs, {0:e}", in(reg) null, options(nomem, nostack, preserves_flags));
            GS::write_base(VirtAddr::new_unsafe(next.gs.get()));
            GS::swap();
        }
    }

    /// Makes the CPU hold what is recorded.
    ///
    /// # Safety
    /// The thread runs next on this CPU; kernel GS in use.
    #[inline(always)]
    pub unsafe fn load(&self) {
        // The record holds canonical addresses only: what the CPU itself held, or what `set_*` accepted.
        let (fs, gs) = (VirtAddr::new_truncate(self.fs.get()), VirtAddr::new_truncate(self.gs.get()));
        if INSTRUCTIONS.load(Ordering::Relaxed) {
            // SAFETY: as in `save`; the new bases are the user's, and the user's risk.
            unsafe {
                FS::write_base(fs);
                GS::swap();
                GS::write_base(gs);
                GS::swap();
            }
        } else {
            FsBase::write(fs);
            KernelGsBase::write(gs);
        }
    }

    /// The FS base as recorded.
    #[must_use]
    pub const fn fs(&self) -> u64 {
        self.fs.get()
    }

    /// The GS base as recorded.
    #[must_use]
    pub const fn gs(&self) -> u64 {
        self.gs.get()
    }

    /// Records bases for a thread that is off every CPU; one that is not canonical is left as it is.
    pub fn record(&self, fs: u64, gs: u64) {
        for (cell, address) in [(&self.fs, fs), (&self.gs, gs)] {
            if VirtAddr::try_new(address).is_ok() {
                cell.set(address);
            }
        }
    }

    /// Sets the FS base of the running thread; `false` if the address is not canonical.
    #[must_use]
    pub fn set_fs(&self, address: u64) -> bool {
        let Ok(base) = VirtAddr::try_new(address) else { return false };
        self.fs.set(address);
        FsBase::write(base);
        true
    }

    /// Sets the GS base of the running thread; `false` if the address is not canonical.
    #[must_use]
    pub fn set_gs(&self, address: u64) -> bool {
        let Ok(base) = VirtAddr::try_new(address) else { return false };
        self.gs.set(address);
        KernelGsBase::write(base);
        true
    }
}
