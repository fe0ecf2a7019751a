//! The way out: the only restore sequence, and the only `iretq` but that of the IST door.

use core::arch::naked_asm;

use super::frame::{SYSCALL_VECTOR, offsets as frame};
use super::registers::restore_general_registers;

/// RFLAGS that SYSRET must not restore: with TF the trap would come one instruction late on some models, and RF is
/// cleared by it (Intel SDM volume 2, "SYSRET").
const NOT_BY_SYSRET: u32 = 1 << 8 | 1 << 16;
/// Bits of an address from which on a canonical user address has zeros only.
const USER_ADDRESS_BITS: u32 = 47;

/// Returns through the frame whose address is in RAX; a frame of ring 3 or of ring 0.
///
/// Hardware state: interrupts off, GS the kernel's, RSP anywhere. Stack from RAX up: R15 … RDI, vector, error code,
/// RIP, CS, RFLAGS, RSP, SS.
///
/// What may interrupt here: IST vectors only. The `iretq` may fault if the frame is one that no setter made; `entry` knows
/// it by the label `leave_iretq`.
///
/// SYSRET is taken for frames that SYSCALL made, with RIP in the user half and without the flags above: it needs
/// RCX and R11 for itself, which SYSCALL has destroyed anyway. A non-canonical RCX would fault in ring 0 on the user's
/// stack on Intel's processors.
///
/// # Safety
/// Only entries and [`leave_through`] may come here, by a jump, in the state described; it is no function to be called.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn leave() {
    naked_asm!(
        "mov rsp, rax",
        restore_general_registers!(),
        "test byte ptr [rsp + {code_segment}], 3",
        "jz 3f",
        "cmp dword ptr [rsp], {syscall}",
        "je 4f",
        "2:",
        "swapgs",
        "3:",
        "add rsp, {instruction_pointer}",
        ".global leave_iretq",
        "leave_iretq: iretq",
        "4:",
        "mov rcx, [rsp + {instruction_pointer}]",
        "mov r11, rcx",
        "shr r11, {user_address_bits}",
        "jnz 2b",
        "mov r11, [rsp + {flags}]",
        "test r11d, {not_by_sysret}",
        "jnz 2b",
        "mov rsp, [rsp + {stack_pointer}]",
        "swapgs",
        "sysretq",
        syscall = const SYSCALL_VECTOR,
        code_segment = const frame::CODE_SEGMENT - frame::VECTOR,
        instruction_pointer = const frame::INSTRUCTION_POINTER - frame::VECTOR,
        flags = const frame::FLAGS - frame::VECTOR,
        stack_pointer = const frame::STACK_POINTER - frame::VECTOR,
        user_address_bits = const USER_ADDRESS_BITS,
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
