//! The kernel's own panic: a bug, told once, and the machine ends.

use core::panic::PanicInfo;

use crate::arch::CodePoint;
use crate::lockdown;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    lockdown::panicked(info, CodePoint::here())
}
