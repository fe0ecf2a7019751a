//! Floating-point and vector state of threads.
//!
//! A thread that never touches it costs nothing: CR0.TS is set while such a thread runs, and the first instruction that
//! wants the unit traps (#NM) and gives the thread its state. From then on the state is saved whenever the thread leaves a
//! CPU, so that it can go on anywhere, and loaded whenever it runs again. Kept are x87, SSE, AVX and AVX-512; not PKRU, since
//! CR4.PKE stays clear.

use alloc::alloc::{Layout, alloc_zeroed, dealloc};
use core::arch::asm;
use core::cell::Cell;
use core::ptr::NonNull;

use raw_cpuid::CpuId;
use spin::Once;
use x86_64::registers::control::{Cr0, Cr0Flags, Cr4, Cr4Flags};
use x86_64::registers::xcontrol::{XCr0, XCr0Flags};

use crate::memory::fallible::{self, OutOfHeap};

/// How this machine saves the state; the same on every CPU.
#[derive(Clone, Copy, Debug)]
struct Format {
    bytes: usize,
    /// `Some(mask)` with XSAVE, `None` with FXSAVE.
    xsave: Option<u64>,
}

/// Chosen by the first CPU.
static FORMAT: Once<Format> = Once::new();

/// XSAVE areas and FXSAVE areas alike (Intel SDM volume 1, "XSAVE Area").
const ALIGNMENT: usize = 64;
/// FXSAVE area (Intel SDM volume 2, "FXSAVE").
const FXSAVE_BYTES: usize = 512;
/// Byte offsets of the control words in the legacy area, and their values after FNINIT and at reset.
const CONTROL_WORD: (usize, u16) = (0, 0x037f);
const MXCSR: (usize, u32) = (24, 0x1f80);

/// Enables the unit on the calling CPU, with TS set: nobody's state is loaded.
///
/// # Safety
/// Ring 0, once per CPU, before any thread runs there.
pub unsafe fn init() {
    let cpuid = CpuId::new();
    let has_xsave = cpuid.get_feature_info().is_some_and(|features| features.has_xsave());
    // SAFETY: every x86-64 CPU has FXSAVE and SSE; OSXSAVE only where CPUID says so.
    unsafe {
        Cr4::update(|flags| {
            flags.insert(Cr4Flags::OSFXSR | Cr4Flags::OSXMMEXCPT_ENABLE);
            flags.set(Cr4Flags::OSXSAVE, has_xsave);
        });
        Cr0::update(|flags| {
            flags.remove(Cr0Flags::EMULATE_COPROCESSOR);
            flags.insert(Cr0Flags::MONITOR_COPROCESSOR | Cr0Flags::NUMERIC_ERROR | Cr0Flags::TASK_SWITCHED);
        });
    }
    let format = FORMAT.call_once(|| {
        let Some(state) = cpuid.get_extended_state_info().filter(|_| has_xsave) else {
            return Format { bytes: FXSAVE_BYTES, xsave: None };
        };
        let has_avx512 = state.xcr0_supports_avx512_opmask()
            && state.xcr0_supports_avx512_zmm_hi256()
            && state.xcr0_supports_avx512_zmm_hi16();
        let mut kept = XCr0Flags::X87 | XCr0Flags::SSE;
        kept.set(XCr0Flags::AVX, state.xcr0_supports_avx_256());
        kept.set(XCr0Flags::OPMASK | XCr0Flags::ZMM_HI256 | XCr0Flags::HI16_ZMM, has_avx512);
        Format { bytes: state.xsave_area_size_supported_features() as usize, xsave: Some(kept.bits()) }
    });
    if let Some(mask) = format.xsave {
        // SAFETY: the bits are supported, and come in the groups that the manual asks for.
        unsafe { XCr0::write(XCr0Flags::from_bits_truncate(mask)) };
    }
}

/// One thread's saved state; empty until the thread first uses the unit.
#[derive(Debug, Default)]
pub struct FpuState(Cell<Option<NonNull<u8>>>);

// SAFETY: only the CPU that runs the thread, or holds it as its own, touches the state.
unsafe impl Sync for FpuState {}
// SAFETY: the area is owned and can be freed anywhere.
unsafe impl Send for FpuState {}

/// No memory for a thread's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMemoryForState;

impl FpuState {
    /// Whether the thread has ever used the unit.
    #[must_use]
    #[inline(always)]
    pub const fn is_in_use(&self) -> bool {
        self.0.get().is_some()
    }

    /// Makes the area, with the unit's initial state in it.
    ///
    /// # Errors
    /// [`NoMemoryForState`] if the kernel heap is exhausted.
    pub fn prepare(&self) -> Result<(), NoMemoryForState> {
        if self.is_in_use() {
            return Ok(());
        }
        // SAFETY: the layout is not empty.
        let allocate = || NonNull::new(unsafe { alloc_zeroed(layout()) }).ok_or(OutOfHeap);
        let area = fallible::attempt(allocate).map_err(|_| NoMemoryForState)?;
        // SAFETY: both words lie in the first 512 bytes of the fresh area. An all-zero XSAVE header means initial
        // state, for which the control words of the legacy area still count with FXRSTOR, and MXCSR with XRSTOR.
        unsafe {
            area.add(CONTROL_WORD.0).cast::<u16>().write(CONTROL_WORD.1);
            area.add(MXCSR.0).cast::<u32>().write(MXCSR.1);
        }
        self.0.set(Some(area));
        Ok(())
    }

    /// Saves the registers into the area, which exists since the thread had the unit. They stay loaded.
    ///
    /// # Safety
    /// The unit holds this thread's state and TS is clear.
    pub unsafe fn save(&self) {
        let Some(area) = self.0.get() else { return };
        match format().xsave {
            // SAFETY: the area has the size and alignment that the enabled features need.
            Some(mask) => unsafe {
                asm!("xsave64 [{}]", in(reg) area.as_ptr(), in("eax") mask as u32, in("edx") (mask >> 32) as u32,
                     options(nostack, preserves_flags));
            },
            // SAFETY: as above, 512 bytes.
            None => unsafe {
                asm!("fxsave64 [{}]", in(reg) area.as_ptr(), options(nostack, preserves_flags));
            },
        }
    }

    /// Loads the registers, if the thread has ever used the unit.
    ///
    /// # Safety
    /// TS is clear, and whatever the unit holds has been saved.
    pub unsafe fn restore(&self) {
        let Some(area) = self.0.get() else { return };
        match format().xsave {
            // SAFETY: the area holds what `save` wrote or the initial state; ring 3 cannot write to it.
            Some(mask) => unsafe {
                asm!("xrstor64 [{}]", in(reg) area.as_ptr(), in("eax") mask as u32, in("edx") (mask >> 32) as u32,
                     options(nostack, preserves_flags, readonly));
            },
            // SAFETY: as above.
            None => unsafe {
                asm!("fxrstor64 [{}]", in(reg) area.as_ptr(), options(nostack, preserves_flags, readonly));
            },
        }
    }
}

impl Drop for FpuState {
    fn drop(&mut self) {
        if let Some(area) = self.0.take() {
            // SAFETY: allocated by `area` with the same layout.
            unsafe { dealloc(area.as_ptr(), layout()) };
        }
    }
}

/// Lets the unit be used.
pub fn allow() {
    // SAFETY: CLTS only clears CR0.TS.
    unsafe { asm!("clts", options(nomem, nostack, preserves_flags)) };
}

/// Makes the next use trap.
pub fn forbid() {
    // SAFETY: changes TS only.
    unsafe { Cr0::update(|flags| flags.insert(Cr0Flags::TASK_SWITCHED)) };
}

fn format() -> Format {
    *FORMAT.get().expect("fpu::init runs before any thread")
}

fn layout() -> Layout {
    Layout::from_size_align(format().bytes, ALIGNMENT).expect("XSAVE areas are small")
}
