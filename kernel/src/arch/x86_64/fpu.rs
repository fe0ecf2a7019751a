//! Floating-point and vector state of threads.
//!
//! The switch is eager: whatever thread runs, the unit holds its state and nobody else's. A thread that has used it has an
//! area; the state is saved there whenever the thread leaves a CPU, so that it can go on anywhere, and loaded whenever it runs
//! again. All others share one state, the initial one: it is loaded when the thread before had another, so that between two of
//! them nothing is done. While such a thread runs CR0.TS is set, and its first instruction that wants the unit traps (#NM) and
//! gives it an area: that is where memory can be refused. TS hides nothing: an emulator may not look at it, and processors
//! have computed with registers that it was to protect (CVE-2018-3665).
//!
//! Kept are x87, SSE, AVX and AVX-512; not PKRU, since CR4.PKE stays clear.

use alloc::alloc::{Layout, dealloc};
use core::arch::asm;
use core::cell::Cell;
use core::ptr::NonNull;

use raw_cpuid::CpuId;
use spin::Once;
use x86_64::registers::control::{Cr0, Cr0Flags};
use x86_64::registers::xcontrol::{XCr0, XCr0Flags};

/// How this machine saves the state; the same on every CPU.
#[derive(Clone, Copy, Debug)]
struct Format {
    bytes: usize,
    /// `Some(mask)` with XSAVE, `None` with FXSAVE.
    xsave: Option<u64>,
    /// XSAVEOPT is there: it writes what the thread has changed, and nothing for what is in its initial state.
    optimised: bool,
    /// Neither FXRSTOR nor XRSTOR loads the x87 unit's last instruction and operand, unless an exception is pending: they
    /// would stay those of the thread before (APM volume 2, "FXSAVE and FXRSTOR Instructions").
    keeps_pointers: bool,
}

/// Chosen by the first CPU.
static FORMAT: Once<Format> = Once::new();

/// XSAVE areas and FXSAVE areas alike (Intel SDM volume 1, "XSAVE Area").
const ALIGNMENT: usize = 64;
/// FXSAVE area (Intel SDM volume 2, "FXSAVE").
const FXSAVE_BYTES: usize = 512;
/// XSAVE header behind it (Intel SDM volume 1, "XSAVE Header").
const XSAVE_HEADER_BYTES: usize = 64;
/// Byte offsets of the control words in the legacy area, and their values after FNINIT and at reset.
const CONTROL_WORD: (usize, u16) = (0, 0x037f);
const MXCSR: (usize, u32) = (24, 0x1f80);

/// An area whose header says that every component is in its initial state, for both formats: FXRSTOR loads the control words
/// from it, XRSTOR MXCSR. Nothing behind the header is read then.
#[repr(C, align(64))]
struct InitialArea([u8; FXSAVE_BYTES + XSAVE_HEADER_BYTES]);

static INITIAL: InitialArea = InitialArea({
    let mut area = [0; FXSAVE_BYTES + XSAVE_HEADER_BYTES];
    (area[CONTROL_WORD.0], area[CONTROL_WORD.0 + 1]) = (CONTROL_WORD.1 as u8, (CONTROL_WORD.1 >> 8) as u8);
    (area[MXCSR.0], area[MXCSR.0 + 1]) = (MXCSR.1 as u8, (MXCSR.1 >> 8) as u8);
    area
});

/// Enables the unit on the calling CPU, and loads the initial state, whatever it held before.
///
/// # Safety
/// Ring 0, once per CPU, before any thread runs there; CR4 has OSFXSR, OSXMMEXCPT and, where CPUID has XSAVE, OSXSAVE; CR0
/// has neither EM nor TS.
pub unsafe fn init() {
    let cpuid = CpuId::new();
    let has_xsave = cpuid.get_feature_info().is_some_and(|features| features.has_xsave());
    let format = FORMAT.call_once(|| {
        let keeps_pointers = keeps_pointers(&cpuid);
        let Some(state) = cpuid.get_extended_state_info().filter(|_| has_xsave) else {
            return Format { bytes: FXSAVE_BYTES, xsave: None, optimised: false, keeps_pointers };
        };
        let has_avx512 = state.xcr0_supports_avx512_opmask()
            && state.xcr0_supports_avx512_zmm_hi256()
            && state.xcr0_supports_avx512_zmm_hi16();
        let mut kept = XCr0Flags::X87 | XCr0Flags::SSE;
        kept.set(XCr0Flags::AVX, state.xcr0_supports_avx_256());
        kept.set(XCr0Flags::OPMASK | XCr0Flags::ZMM_HI256 | XCr0Flags::HI16_ZMM, has_avx512);
        Format {
            bytes: state.xsave_area_size_supported_features() as usize,
            xsave: Some(kept.bits()),
            optimised: state.has_xsaveopt(),
            keeps_pointers,
        }
    });
    if let Some(mask) = format.xsave {
        // SAFETY: the bits are supported, and come in the groups that the manual asks for.
        unsafe { XCr0::write(XCr0Flags::from_bits_truncate(mask)) };
    }
    // SAFETY: TS is clear, and nobody's state is lost: no thread has run here.
    unsafe { load_initial() };
    forbid();
}

/// Whether the machine has XSAVE, and with it XCR0.
#[must_use]
pub fn has_extended_states() -> bool {
    format().xsave.is_some()
}

/// Whether the processor is one of AMD's that leave the x87 pointers alone.
fn keeps_pointers(cpuid: &CpuId<raw_cpuid::CpuIdReaderNative>) -> bool {
    /// CPUID 0x8000_0008, EBX: XRSTOR loads the pointers always.
    const POINTERS_RESTORED: u32 = 1 << 2;
    let vendor = cpuid.get_vendor_info();
    let by_intel = vendor.is_some_and(|vendor| vendor.as_str() == "GenuineIntel");
    let highest = raw_cpuid::cpuid!(0x8000_0000_u32).eax;
    let restored = highest >= 0x8000_0008 && raw_cpuid::cpuid!(0x8000_0008_u32).ebx & POINTERS_RESTORED != 0;
    !by_intel && !restored
}

/// Loads the state of all threads that have not used the unit.
///
/// # Safety
/// TS is clear, and whatever the unit holds has been saved.
pub unsafe fn load_initial() {
    // SAFETY: the area says that everything is in its initial state, and is never written to.
    unsafe { load(INITIAL.0.as_ptr()) };
}

/// Loads what an area holds.
///
/// # Safety
/// TS is clear; the area was made by `prepare` or `save`, or is the initial one.
#[inline(always)]
unsafe fn load(area: *const u8) {
    let format = format();
    if format.keeps_pointers {
        // Sets the pointers to 0, and leaves no exception pending for the instruction below.
        // SAFETY: all of the unit is loaded anew right after.
        unsafe { asm!("fninit", options(nomem, nostack, preserves_flags)) };
    }
    match format.xsave {
        // SAFETY: ring 3 cannot write to the area, so it holds nothing that is refused.
        Some(mask) => unsafe {
            asm!("xrstor64 [{}]", in(reg) area, in("eax") mask as u32, in("edx") (mask >> 32) as u32,
                 options(nostack, preserves_flags, readonly));
        },
        // SAFETY: ring 3 cannot write to the area.
        None => unsafe {
            asm!("fxrstor64 [{}]", in(reg) area, options(nostack, preserves_flags, readonly));
        },
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

    /// Makes the area, in memory that `allocate` answers, with the unit's initial state in it.
    ///
    /// # Errors
    /// [`NoMemoryForState`] if there is no memory.
    ///
    /// # Safety
    /// What `allocate` answers is zeroed memory of that layout from the global allocator, and nobody else's.
    #[inline(always)]
    pub unsafe fn prepare(&self, allocate: impl FnOnce(Layout) -> Option<NonNull<u8>>) -> Result<(), NoMemoryForState> {
        if self.is_in_use() {
            return Ok(());
        }
        let area = allocate(layout()).ok_or(NoMemoryForState)?;
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
        let format = format();
        match format.xsave {
            // SAFETY: the area has the size and alignment that the enabled features need. It was loaded from on this CPU when
            // the thread came, so that what XSAVEOPT leaves out is what it holds.
            Some(mask) if format.optimised => unsafe {
                asm!("xsaveopt64 [{}]", in(reg) area.as_ptr(), in("eax") mask as u32, in("edx") (mask >> 32) as u32,
                     options(nostack, preserves_flags));
            },
            // SAFETY: the area has the size and alignment that the enabled features need.
            Some(mask) => unsafe {
                asm!("xsave64 [{}]", in(reg) area.as_ptr(), in("eax") mask as u32, in("edx") (mask >> 32) as u32,
                     options(nostack, preserves_flags));
            },
            // SAFETY: the area has 512 bytes, and their alignment.
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
        // SAFETY: the area holds what `save` wrote or the initial state.
        unsafe { load(area.as_ptr()) };
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
