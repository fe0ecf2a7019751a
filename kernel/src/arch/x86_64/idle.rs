//! What a CPU does when no thread wants it.

use core::arch::naked_asm;

/// Waits for the next interrupt. It is entered through a frame of ring 0 with interrupts off and RSP at the top of the
/// interrupt stack, and left for good by that interrupt: whoever runs next is returned to through its own frame, and
/// idling again starts here, from the top.
///
/// `sti` takes effect after the next instruction, so no interrupt can come between it and `hlt`. The jump is for NMI,
/// which does come back.
///
/// # Safety
/// Only a frame made for it may lead here, in the state described; it is no function to be called.
#[unsafe(naked)]
pub unsafe extern "C" fn idle() {
    naked_asm!("2:", "sti", "hlt", "cli", "jmp 2b")
}
