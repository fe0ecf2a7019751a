//! The registers of a program at its first instruction, and filling them.

#[cfg(target_os = "none")]
use core::arch::{asm, naked_asm};

#[cfg(target_os = "none")]
use gatehouse_runtime::abi::SystemCall;

/// Bytes of an area for XSAVE: more than all that the kernel keeps.
const AREA_BYTES: usize = 4096;
/// What the unit's control words hold at a program's start: x87 control, MXCSR.
const CONTROL_WORD: u64 = 0x037f;
const MXCSR: u64 = 0x1f80;
/// Bytes of the area that tell nothing about registers: what MXCSR may hold, the part that is software's, the header.
const NO_REGISTERS: [core::ops::Range<usize>; 2] = [28..32, 464..576];

/// What XSAVE, or FXSAVE where there is none, stores.
#[repr(C, align(64))]
pub(crate) struct UnitImage([u8; AREA_BYTES]);

impl UnitImage {
    /// Stores all that the kernel keeps of the unit.
    #[cfg_attr(not(target_os = "none"), expect(clippy::missing_const_for_fn, reason = "it is assembly in ring 3"))]
    pub(crate) fn take() -> Self {
        #[cfg_attr(not(target_os = "none"), expect(unused_mut, reason = "it is written in ring 3"))]
        let mut image = Self([0; AREA_BYTES]);
        #[cfg(target_os = "none")]
        // SAFETY: the area is large enough and aligned; the mask asks for all that XCR0 has.
        unsafe {
            if extended_states().is_some() {
                asm!("xsave64 [{}]", in(reg) image.0.as_mut_ptr(), in("eax") -1, in("edx") -1, options(nostack));
            } else {
                asm!("fxsave64 [{}]", in(reg) image.0.as_mut_ptr(), options(nostack));
            }
        }
        image
    }

    /// The first byte that is not as in the initial state, and what it is.
    pub(crate) fn first_foreign_byte(&self) -> Option<(usize, u8)> {
        let mut expected = [0; AREA_BYTES];
        expected[..2].copy_from_slice(&CONTROL_WORD.to_le_bytes()[..2]);
        expected[24..28].copy_from_slice(&MXCSR.to_le_bytes()[..4]);
        self.difference(&Self(expected))
    }

    /// The first byte that differs, and what it is in the other one.
    pub(crate) fn difference(&self, other: &Self) -> Option<(usize, u8)> {
        let differs = |at: &usize| !NO_REGISTERS.iter().any(|range| range.contains(at)) && self.0[*at] != other.0[*at];
        (0..AREA_BYTES).find(differs).map(|at| (at, if self.0[at] == 0 { other.0[at] } else { self.0[at] }))
    }
}

/// What was found at the first instruction. The general registers are in the order in which `_start` pushes them, from below.
pub(crate) struct Start {
    general: [u64; 16],
    selectors: [u16; 4],
    pub(crate) unit: UnitImage,
}

impl Start {
    /// The first general register, flag or selector that is not as it should be.
    pub(crate) fn difference(&self, argument: u64) -> Option<(&'static str, u64)> {
        const NAMES: [&str; 16] = [
            "RAX", "RBX", "RCX", "RDX", "RSI", "RDI", "RBP", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15",
            "RFLAGS",
        ];
        let expected = |name: &str, value: u64| match name {
            // Its message buffer and its number.
            "RDX" | "RSI" => value,
            "RDI" => argument,
            "RFLAGS" => 0x202,
            _ => 0,
        };
        let general = NAMES.into_iter().zip(self.general);
        let selectors = ["DS", "ES", "FS", "GS"].into_iter().zip(self.selectors.map(u64::from));
        general.chain(selectors).find(|(name, value)| expected(name, *value) != *value)
    }
}

/// As a program's entry is described in `docs/abi.md`. Keeps everything before Rust can change it: from RSP up RAX … R15, RFLAGS.
#[cfg(target_os = "none")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    extern "C" fn start(argument: u64, general: &[u64; 16]) -> ! {
        let start = Start { general: *general, selectors: selectors(), unit: UnitImage::take() };
        gatehouse_runtime::Kernel::exit_program(crate::run(argument, &start))
    }
    naked_asm!(
        "pushfq",
        "push r15", "push r14", "push r13", "push r12", "push r11", "push r10", "push r9", "push r8", "push rbp",
        "push rdi", "push rsi", "push rdx", "push rcx", "push rbx", "push rax",
        "mov rsi, rsp",
        "call {start}",
        "ud2",
        start = sym start,
    )
}

#[cfg(not(target_os = "none"))]
pub(crate) fn main() {
    let _program: fn(u64, &Start) -> u64 = crate::run;
    std::eprintln!("this program runs in ring 3 of Gatehouse, not here");
    std::process::exit(1);
}

/// XCR0, if the kernel has turned XSAVE on.
#[cfg(target_os = "none")]
fn extended_states() -> Option<u32> {
    const OSXSAVE: u32 = 1 << 27;
    if core::arch::x86_64::__cpuid(1).ecx & OSXSAVE == 0 {
        return None;
    }
    let low: u32;
    // SAFETY: the instruction exists.
    unsafe { asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") _, options(nomem, nostack, preserves_flags)) };
    Some(low)
}

/// DS, ES, FS, GS.
#[cfg_attr(not(target_os = "none"), expect(clippy::missing_const_for_fn, reason = "it is assembly in ring 3"))]
pub(crate) fn selectors() -> [u16; 4] {
    #[cfg(target_os = "none")]
    {
        let (ds, es, fs, gs): (u16, u16, u16, u16);
        // SAFETY: reading selectors changes nothing.
        unsafe {
            asm!("mov {:x}, ds", "mov {:x}, es", "mov {:x}, fs", "mov {:x}, gs", out(reg) ds, out(reg) es, out(reg) fs,
                 out(reg) gs, options(nomem, nostack, preserves_flags));
        }
        [ds, es, fs, gs]
    }
    #[cfg(not(target_os = "none"))]
    [0; 4]
}

/// Loads DS, ES, FS, GS.
///
/// # Safety
/// Ring 3 may load them; nobody relies on the bases of FS and GS.
#[cfg_attr(not(target_os = "none"), expect(clippy::missing_const_for_fn, reason = "it is assembly in ring 3"))]
pub(crate) unsafe fn load_selectors(values: [u16; 4]) {
    #[cfg(target_os = "none")]
    // SAFETY: by the contract.
    unsafe {
        asm!("mov ds, {:x}", "mov es, {:x}", "mov fs, {:x}", "mov gs, {:x}", in(reg) values[0], in(reg) values[1],
             in(reg) values[2], in(reg) values[3], options(nomem, nostack, preserves_flags));
    }
    #[cfg(not(target_os = "none"))]
    let _ = values;
}

/// Fills x87, its pointers, MXCSR and all vector registers.
#[cfg_attr(not(target_os = "none"), expect(clippy::missing_const_for_fn, reason = "it is assembly in ring 3"))]
pub(crate) fn fill_unit(byte: u8) {
    #[cfg(target_os = "none")]
    {
        const AVX: u32 = 1 << 2;
        const AVX512: u32 = 0b111 << 5;
        #[repr(C, align(64))]
        struct Pattern([u8; 64]);
        let (pattern, number) = (Pattern([byte; 64]), 2.5_f64.to_bits());
        let (mxcsr, control): (u32, u16) = (0x7f80, 0x0f7f);
        let states = extended_states().unwrap_or(0);
        // SAFETY: programs are compiled without these registers, and each group only where XCR0 has it.
        unsafe {
            asm!(
                "fninit", "fldcw [{control}]", "fldpi", "fldl2e", "fldlg2", "fldln2", "fldpi", "fldpi", "fldpi",
                "fld qword ptr [{number}]", "ldmxcsr [{mxcsr}]",
                "movaps xmm0, [{p}]", "movaps xmm1, [{p}]", "movaps xmm2, [{p}]", "movaps xmm3, [{p}]",
                "movaps xmm4, [{p}]", "movaps xmm5, [{p}]", "movaps xmm6, [{p}]", "movaps xmm7, [{p}]",
                "movaps xmm8, [{p}]", "movaps xmm9, [{p}]", "movaps xmm10, [{p}]", "movaps xmm11, [{p}]",
                "movaps xmm12, [{p}]", "movaps xmm13, [{p}]", "movaps xmm14, [{p}]", "movaps xmm15, [{p}]",
                control = in(reg) &raw const control, number = in(reg) &raw const number, mxcsr = in(reg) &raw const mxcsr,
                p = in(reg) pattern.0.as_ptr(), options(nostack, readonly),
            );
            if states & AVX != 0 {
                asm!(
                    "vmovaps ymm0, [{p}]", "vmovaps ymm1, [{p}]", "vmovaps ymm2, [{p}]", "vmovaps ymm3, [{p}]",
                    "vmovaps ymm4, [{p}]", "vmovaps ymm5, [{p}]", "vmovaps ymm6, [{p}]", "vmovaps ymm7, [{p}]",
                    "vmovaps ymm8, [{p}]", "vmovaps ymm9, [{p}]", "vmovaps ymm10, [{p}]", "vmovaps ymm11, [{p}]",
                    "vmovaps ymm12, [{p}]", "vmovaps ymm13, [{p}]", "vmovaps ymm14, [{p}]", "vmovaps ymm15, [{p}]",
                    p = in(reg) pattern.0.as_ptr(), options(nostack, readonly),
                );
            }
            if states & AVX512 == AVX512 {
                asm!("vmovaps zmm0, [{p}]", "vmovaps zmm16, [{p}]", "vmovaps zmm31, [{p}]", "kmovw k1, [{p}]", "kmovw k7, [{p}]",
                     p = in(reg) pattern.0.as_ptr(), options(nostack, readonly));
            }
        }
    }
    #[cfg(not(target_os = "none"))]
    let _ = byte;
}

/// Fills everything, base registers, selectors and flags included, and gives way: to whoever is ready, and for a while.
pub(crate) fn fill_and_give_way() -> u64 {
    /// Not one that is the kernel's, but one that nothing else has.
    const BASE: u64 = 0x7_7777_7000;
    for round in 0..40 {
        fill_unit(0x80 | round);
        // SAFETY: nothing here relies on the selectors or the bases.
        unsafe {
            load_selectors([0x1b; 4]);
            let _base = gatehouse_runtime::Kernel::set_fs_base(BASE);
            let _base = gatehouse_runtime::Kernel::set_gs_base(BASE);
            load_selectors([0x1b, 0x23, 3, 2]);
        }
        give_way();
    }
    0
}

/// Yields and sleeps with all general registers and flags filled.
fn give_way() {
    #[cfg(target_os = "none")]
    // SAFETY: both calls take numbers. Flags and registers are as the compiler left them afterwards; the direction flag is clear
    // again.
    unsafe {
        asm!(
            "push rbx", "push rbp", "pushfq",
            "push {flags}", "popfq",
            "mov rbx, r8", "mov rbp, r8",
            "mov eax, {give_way}", "syscall",
            "mov edi, 100000", "mov eax, {sleep}", "syscall",
            "popfq", "pop rbp", "pop rbx",
            // ID AC NT DF, arithmetic flags, IF.
            flags = const 0x24_4ed7,
            give_way = const SystemCall::Yield as u64, sleep = const SystemCall::Sleep as u64,
            in("r8") 0x0bad_cafe_0bad_cafe_u64,
            inout("rdi") u64::MAX => _, inout("rsi") u64::MAX => _, inout("rdx") u64::MAX => _,
            inout("r9") u64::MAX => _, inout("r10") u64::MAX => _, inout("r12") u64::MAX => _,
            inout("r13") u64::MAX => _, inout("r14") u64::MAX => _, inout("r15") u64::MAX => _,
            out("rax") _, out("rcx") _, out("r11") _,
        );
    }
}
