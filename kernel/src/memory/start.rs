//! Taking over memory from the loader.

use super::{fallible, frame, kernel_space};
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
    // SAFETY: both boot protocols made sure that the CPU has the no-execute bit; setting it again changes nothing. The new
    // tables show the image at the addresses where it runs, the boot stack within, and interrupts are off. The registers'
    // values are of this CPU's features; nothing used floating point and no user page exists.
    unsafe { registers.load_with_tables(kernel_space::kernel_root().as_u64()) };
    kernel_space::finish();
    gatehouse_core::fallible::serve_by(fallible::serve);
}

/// Hands the memory that the loader used to the frame allocator. Nothing happens when there is none (PVH).
///
/// # Safety
/// Called once, after [`initialize`], when the kernel reads nothing any more that the loader left: ACPI tables and
/// the archive lie elsewhere, everything else was copied by the boot protocol's code.
pub unsafe fn release_loader_memory(boot: &BootInfo) {
    // SAFETY: the caller's promise; the loader's page tables are out of CR3 since `initialize`.
    unsafe { frame::release_loader_memory(&boot.memory) };
}
