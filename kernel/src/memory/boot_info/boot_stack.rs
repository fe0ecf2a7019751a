//! The stack that the machine starts on.

use percpu::Stack;

/// The stack that the first CPU starts on, until it enters the scheduler. The linker script leaves the page below it out of
/// every segment, so the kernel's page tables never map it. (Until those are in force an overflow goes unnoticed there; then
/// there is no IDT either that could tell.)
#[cfg(target_os = "none")]
#[must_use]
pub fn boot_stack() -> Option<Stack> {
    unsafe extern "C" {
        // Defined by `linker.ld` and `entry_state`. Only their addresses mean anything.
        static boot_stack_base: u8;
        static boot_stack_top: u8;
    }
    // SAFETY: the range is the image's, mapped for ever, and used as nothing else.
    Some(unsafe { Stack::new((&raw const boot_stack_base) as u64, (&raw const boot_stack_top) as u64) })
}

/// On the host there is none.
#[cfg(not(target_os = "none"))]
#[must_use]
pub fn boot_stack() -> Option<Stack> {
    None
}
