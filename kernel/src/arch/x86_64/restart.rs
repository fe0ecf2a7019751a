//! Starting a CPU again at the top of its interrupt stack, with everything that ran there abandoned.

use core::arch::naked_asm;

use x86_64::VirtAddr;
use x86_64::registers::control::Cr2;
use x86_64::registers::model_specific::KernelGsBase;

use super::frame::TrapFrame;
use super::leave::leave;

/// Calls `then` on the empty interrupt stack and returns through the frame that it answers.
///
/// The user's GS base becomes 0, as the base that was there may be the kernel's: the entry of an IST vector leaves it so
/// when it has interrupted ring 3. CR2 becomes 0, so that the address is not taken for that of a later double fault.
///
/// # Safety
/// Interrupts are off and GS is the kernel's. Nothing on the stacks of this CPU is needed again, and no NMI handler is in
/// the middle of its work.
pub unsafe fn restart(then: extern "C" fn() -> *const TrapFrame) -> ! {
    KernelGsBase::write(VirtAddr::zero());
    // SAFETY: CR2 is read for page faults and double faults only.
    unsafe { core::arch::asm!("mov cr2, {}", in(reg) 0_u64, options(nomem, nostack, preserves_flags)) };
    assert_eq!(Cr2::read_raw(), 0);
    // SAFETY: by the contract.
    unsafe { enter(then) }
}

/// Hardware state: ring 0, interrupts off, GS the kernel's, RSP anywhere. In: RDI = the function. Lost: everything.
///
/// What may interrupt here: IST vectors only. Blocking of NMIs, if one had begun it, ends at the next `iretq`.
///
/// # Safety
/// As for [`restart`].
#[unsafe(naked)]
unsafe extern "C" fn enter(then: extern "C" fn() -> *const TrapFrame) -> ! {
    naked_asm!(
        "mov rsp, gs:[{interrupt_stack_top}]",
        // Backtraces end here.
        "xor ebp, ebp",
        "call rdi",
        "jmp {leave}",
        interrupt_stack_top = const percpu::offsets::INTERRUPT_STACK_TOP,
        leave = sym leave,
    )
}

/// The frame that the entry of an IST vector made at the top of its stack.
///
/// # Safety
/// The stack that ends at `top` is one of this CPU's for IST vectors, and such an entry has been made on it.
#[must_use]
pub unsafe fn ist_frame(top: u64) -> TrapFrame {
    let frame = top - percpu::IST_LINK_BYTES - size_of::<TrapFrame>() as u64;
    // SAFETY: the entry pushes right below the link, and handlers change the frame of their own entry only.
    unsafe { (frame as *const TrapFrame).read() }
}
