//! Control registers and model-specific registers of one CPU.

use core::arch::asm;

use raw_cpuid::CpuId;
use x86_64::registers::control::{Cr0, Cr0Flags, Cr4, Cr4Flags};

use super::{bases, fpu, machine_check, system_call_registers};
use crate::memory::control_registers::{CpuFeatures, control_registers};

/// Brings the calling CPU to the state in which it may run threads: protection bits, floating-point unit, SYSCALL.
///
/// CR4 bits are set only where CPUID has them: a reserved one is a #GP on hardware and hangs some emulators. PKE stays
/// clear: nothing here uses protection keys. MCE is set where there is one: without it a machine check resets the
/// machine.
///
/// # Safety
/// Ring 0, once per CPU, after its block is in use and before interrupts are enabled.
pub unsafe fn initialise_cpu() {
    let wanted = control_registers(&CpuFeatures::detect());
    let cpuid = CpuId::new();
    let has_machine_check = cpuid.get_feature_info().is_some_and(|features| features.has_mce());
    let has_base_instructions = cpuid.get_extended_feature_info().is_some_and(|features| features.has_fsgsbase());
    // SAFETY: as for this function.
    unsafe { machine_check::initialise() };
    // SAFETY: WP, NE and MP exist everywhere, AM lets ring 3 ask for alignment checks; the CR4 bits were asked of CPUID.
    unsafe {
        Cr0::update(|flags| {
            flags.insert(
                Cr0Flags::WRITE_PROTECT
                    | Cr0Flags::NUMERIC_ERROR
                    | Cr0Flags::MONITOR_COPROCESSOR
                    | Cr0Flags::ALIGNMENT_MASK,
            );
        });
        Cr4::update(|flags| {
            *flags |= wanted.cr4;
            flags.set(Cr4Flags::MACHINE_CHECK_EXCEPTION, has_machine_check);
            flags.set(Cr4Flags::FSGSBASE, has_base_instructions);
        });
    }
    if has_base_instructions {
        bases::use_instructions();
    }
    // SAFETY: as for this function.
    unsafe {
        fpu::init();
        system_call_registers::init();
    }
}

/// Loads the page-table root at the physical address.
///
/// # Safety
/// The tables map the kernel as all others do, and live until another root is loaded.
#[inline(always)]
pub unsafe fn load_address_space(root: u64) {
    // SAFETY: by the contract. Memory accesses may not be moved over it, so no `nomem`.
    unsafe { asm!("mov cr3, {}", in(reg) root, options(nostack, preserves_flags)) };
}
