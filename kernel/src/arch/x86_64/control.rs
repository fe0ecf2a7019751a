//! Control registers and model-specific registers of one CPU.

use core::arch::asm;

use percpu::CpuIndex;
use x86_64::registers::control::{Cr0, Cr4, Cr4Flags, Efer, EferFlags};

use super::control_registers::{CpuFeatures, control_registers};
use super::system_call_registers::SyscallEntry;
use super::{bases, fpu, machine_check, processor_state, system_call_registers};

/// Brings the calling CPU, the one with this index, to the state in which it may run threads, whatever state it is in:
/// `docs/isa/x86_64/processor-state.md`. SYSCALL leads to `syscall_entry`. Answers whether its memory types are those of the first.
///
/// Control registers are written as a whole. CR4 bits are set only where CPUID has them: a reserved one is a #GP on hardware
/// and hangs some emulators. MCE is set where there is one: without it a machine check resets the machine.
///
/// # Safety
/// Ring 0, once per CPU, after its block is in use and before interrupts are enabled; `syscall_entry` is the kernel's, for the state that SYSCALL leaves.
#[must_use]
pub unsafe fn initialise_cpu(index: CpuIndex, syscall_entry: SyscallEntry) -> bool {
    let features = CpuFeatures::detect();
    let wanted = control_registers(&features);
    let machine_check = if features.machine_check { Cr4Flags::MACHINE_CHECK_EXCEPTION } else { Cr4Flags::empty() };
    let in_force = EferFlags::SYSTEM_CALL_EXTENSIONS | EferFlags::LONG_MODE_ACTIVE;
    // SAFETY: as for this function.
    unsafe { machine_check::initialise() };
    // SAFETY: the values are made from this CPU's features, and keep long mode and the level of paging.
    unsafe {
        Cr0::write_raw(wanted.cr0.bits());
        Cr4::write_raw((wanted.cr4 | machine_check).bits());
        Efer::write_raw((wanted.efer | in_force).bits());
    }
    if features.base_instructions {
        bases::use_instructions();
    }
    // SAFETY: as for this function.
    unsafe {
        fpu::init();
        system_call_registers::init(syscall_entry);
        processor_state::initialise(index, syscall_entry)
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
