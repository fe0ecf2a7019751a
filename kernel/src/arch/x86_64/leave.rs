//! The way out: the only restore sequence, and the only `iretq` but that of the IST entry.

use core::arch::naked_asm;

use gatehouse_core::memory::layout::USER_END;

use super::frame::{SYSCALL_VECTOR, offsets as frame};
use super::registers::{naked_frame_asm, restore_general_registers, restore_rest_and_point_at_interrupt_frame};

/// RFLAGS that SYSRET must not restore: with TF the trap would come one instruction late on some models, and RF is
/// cleared by it (Intel SDM volume 2, "SYSRET").
const NOT_BY_SYSRET: u32 = 1 << 8 | 1 << 16;

// SYSRET faults in ring 0, on the user's stack, if RIP is not canonical (Intel's processors). RIP is where SYSCALL was
// executed plus two, and no program has memory in the last page of the lower half; setters make the frame leave by `iretq`.
const _: () = assert!(USER_END + 2 < 1 << 47);

/// Returns through the frame whose address is in RAX; a frame of ring 3 or of ring 0.
///
/// Hardware state: interrupts off, GS the kernel's, RSP anywhere. In memory from RAX up: R15 … RDI, vector, error code,
/// RIP, CS, RFLAGS, RSP, SS.
///
/// What may interrupt here: IST vectors only. The `iretq` may fault if the frame is one that no setter made; `entry` knows
/// it by the label `leave_iretq`.
///
/// SYSRET is taken for frames that SYSCALL made, without the flags above: it needs RCX and R11 for itself, which SYSCALL
/// has destroyed anyway.
///
/// # Safety
/// Only entries and [`leave_through`] may come here, by a jump, in the state described; it is no function to be called.
#[unsafe(naked)]
pub unsafe extern "C" fn leave() {
    naked_frame_asm!(
        restore_general_registers!(),
        "cmp dword ptr [rax + {vector}], {syscall}",
        "jne 2f",
        "mov rcx, [rax + {instruction_pointer}]",
        "mov r11, [rax + {flags}]",
        "test r11d, {not_by_sysret}",
        "jnz 2f",
        "mov rsp, [rax + {stack_pointer}]",
        // From here to the end of this branch RSP is whatever the program chose: see `interrupted_stack`.
        ".global leave_on_users_stack",
        "leave_on_users_stack:",
        "mov rax, [rax + {rax}]",
        "swapgs",
        "sysretq",
        ".global leave_off_users_stack",
        "leave_off_users_stack:",
        "2:",
        "test byte ptr [rax + {code_segment}], 3",
        "jz 3f",
        "swapgs",
        "3:",
        restore_rest_and_point_at_interrupt_frame!(),
        ".global leave_iretq",
        "leave_iretq: iretq";
        syscall = const SYSCALL_VECTOR,
        vector = const frame::VECTOR,
        rcx = const frame::RCX,
        r11 = const frame::R11,
        instruction_pointer = const frame::INSTRUCTION_POINTER,
        code_segment = const frame::CODE_SEGMENT,
        flags = const frame::FLAGS,
        stack_pointer = const frame::STACK_POINTER,
        not_by_sysret = const NOT_BY_SYSRET,
    )
}

/// Returns through a frame for the first time on this CPU: the boot path's last act.
///
/// # Safety
/// The frame is whole and stays so until the trap that comes next; the CPU's block is in use; interrupts are off.
/// Nothing of the caller's stack is needed again.
#[unsafe(naked)]
pub unsafe extern "C" fn leave_through(frame: *const super::frame::TrapFrame) -> ! {
    naked_asm!("mov rax, rdi", "jmp {leave}", leave = sym leave)
}

/// Returns through a frame from a handler, for handlers whose last act would be to answer it: what is left on the interrupt
/// stack is not needed again.
///
/// # Safety
/// As for [`leave_through`], on the interrupt stack.
#[inline(always)]
pub unsafe fn leave_from_handler(frame: *const super::frame::TrapFrame) -> ! {
    // SAFETY: the contract is the same; `leave` uses no stack.
    unsafe { core::arch::asm!("jmp {leave}", leave = sym leave, in("rax") frame, options(noreturn, nostack)) }
}
