//! Taking over memory from the loader.

use x86_64::PhysAddr;
use x86_64::registers::control::{Cr3, Cr3Flags, Efer, EferFlags};
use x86_64::structures::paging::PhysFrame;

use super::{frame, kernel_space};
use crate::arch::{CpuFeatures, control_registers};
use crate::memory::boot_info::BootInfo;

/// Makes memory work: frames, the kernel's own page tables, the heap. The first thing that the kernel does, on the first
/// CPU, before any other runs. Afterwards nothing is left of the boot tables, the identity mapping included.
///
/// # Panics
/// When there is too little memory below 4 GiB, or on a second call.
pub fn initialize(boot: &BootInfo) {
    frame::initialize(&boot.memory);
    kernel_space::build(boot);
    let registers = control_registers(&CpuFeatures::detect());
    // SAFETY: both doors made sure that the CPU has the no-execute bit; setting it again changes nothing. The new
    // tables show the image at the addresses where it runs, the boot stack within, and interrupts are off. The registers'
    // values are of this CPU's features; nothing used floating point and no user page exists.
    unsafe {
        Efer::update(|efer| efer.insert(EferFlags::NO_EXECUTE_ENABLE));
        Cr3::write(PhysFrame::containing_address(kernel_space::kernel_root()), Cr3Flags::empty());
        registers.load();
    }
    kernel_space::finish();
}

/// Hands the memory that the loader used to the frame allocator. Nothing happens when there is none (PVH).
///
/// # Safety
/// Called once, after [`initialize`], when the kernel reads nothing any more that the loader left: ACPI tables and
/// the archive lie elsewhere, everything else was copied by the door.
pub unsafe fn release_loader_memory(boot: &BootInfo) {
    // SAFETY: the caller's promise; the loader's page tables are out of CR3 since `initialize`.
    unsafe { frame::release_loader_memory(&boot.memory) };
}

/// Loads the address space whose top-level table is at `root` on this CPU, unless it is loaded already: every write
/// to CR3 throws away translations.
///
/// # Safety
/// `root` is [`kernel_space::kernel_root`] or that of an [`AddressSpace`](super::AddressSpace) that lives until this CPU
/// loads another.
pub unsafe fn activate(root: PhysAddr) {
    let frame = PhysFrame::containing_address(root);
    if Cr3::read().0 != frame {
        // SAFETY: the caller's promise; all address spaces share the kernel's half, so this code goes on.
        unsafe { Cr3::write(frame, Cr3Flags::empty()) };
    }
}
