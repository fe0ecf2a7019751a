//! The entry for vectors that may arrive at any instant: NMI, #DB, #DF, #MC.

use percpu::IST_LINK_BYTES;

use super::dispatch::dispatch_ist;
use super::handlers::HANDLERS;
use super::ist_return::how;
use super::machine_check::end_machine_check;
use crate::arch::{
    frame_offsets as frame, leave, naked_frame_asm, push_general_registers, restore_general_registers,
    restore_rest_and_point_at_interrupt_frame, save_general_registers,
};

/// `IA32_GS_BASE` (Intel SDM volume 4, "Architectural MSRs").
const GS_BASE: u32 = 0xC000_0101;
/// `IA32_KERNEL_GS_BASE`.
const KERNEL_GS_BASE: u32 = 0xC000_0102;

/// Where the stubs of IST vectors go.
///
/// Hardware state: as at the stub, but RSP is at the top of the vector's own stack, whatever ran before. The
/// interrupted code may be user code, kernel code, or entry code with the user's GS, in any state; CS does not tell
/// which GS base is loaded. The word above the frame is the link to this CPU's block.
///
/// The GS base is saved (R12) and replaced by the block; `IA32_KERNEL_GS_BASE` stays as it is. Rust answers the address of a
/// frame in RAX, and in EDX what to do with it ([`how`]): return to the interrupted code through it, by `iretq` or by `ret`; or
/// it is a copy in the running thread's save area: then the trap came from ring 3 and goes on as an ordinary one, with the user's
/// GS base where `swapgs` would have put it.
///
/// What may interrupt here: another IST vector, on another stack; NMI is blocked until the next `iretq`. A machine check is
/// blocked in one until `end_machine_check`, before which RSP leaves the stack that the next one uses. Behind it, and behind each
/// change of RSP, nothing is read from below RSP.
///
/// Registers lost: none. RBX, R12 and R13 keep their values over calls, being callee-saved.
///
/// # Safety
/// Only the processor, by way of a stub, may come here, in the state described; it is no function to be called.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn entry_ist() {
    naked_frame_asm!(
        "cld",
        ".global entry_ist_clac_site",
        "entry_ist_clac_site: .byte 0x0f, 0x1f, 0x00",
        push_general_registers!(),
        "mov rbx, [rsp + {link}]",
        "mov ecx, {gs_base}",
        "rdmsr",
        "shl rdx, 32",
        "lea r12, [rdx + rax]",
        "mov rax, rbx",
        "mov rdx, rbx",
        "shr rdx, 32",
        "wrmsr",
        "lfence",
        "mov rdi, rsp",
        "mov rsi, rbx",
        // Odd: backtraces go on in the frame, see `backtrace`.
        "lea rbp, [rdi + 1]",
        "call {dispatch_ist}",
        "test edx, edx",
        "js 2f",
        "jnz 4f",
        "3:",
        "mov ecx, {gs_base}",
        "mov rax, r12",
        "mov rdx, r12",
        "shr rdx, 32",
        "wrmsr",
        "mov rax, rsp",
        restore_general_registers!(),
        restore_rest_and_point_at_interrupt_frame!(),
        "iretq",
        "2:",
        "mov rdi, rax",
        "mov r13d, [rax + {vector}]",
        "mov ecx, {kernel_gs_base}",
        "mov rax, r12",
        "mov rdx, r12",
        "shr rdx, 32",
        "wrmsr",
        "mov rsp, gs:[{interrupt_stack_top}]",
        "lea rbp, [rdi + 1]",
        "call [{handlers} + r13 * 8]",
        "jmp {leave}",
        // A machine check, or back by `ret`, or both.
        "4:",
        "mov rsp, rax",
        "mov r13d, edx",
        "test r13d, {machine_check}",
        "jz 5f",
        "mov rdi, rsp",
        "mov rsi, rbx",
        "lea rbp, [rdi + 1]",
        "call {end_machine_check}",
        "5:",
        "test r13d, {by_ret}",
        "jz 3b",
        "mov ecx, {gs_base}",
        "mov rax, r12",
        "mov rdx, r12",
        "shr rdx, 32",
        "wrmsr",
        "mov rax, rsp",
        restore_general_registers!(),
        "mov rcx, [rax + {rcx}]",
        "mov r11, [rax + {r11}]",
        "mov rsp, [rax + {stack_pointer}]",
        "pop rax",
        "popfq",
        "ret";
        link = const frame::SIZE,
        gs_base = const GS_BASE,
        kernel_gs_base = const KERNEL_GS_BASE,
        interrupt_stack_top = const percpu::offsets::INTERRUPT_STACK_TOP,
        dispatch_ist = sym dispatch_ist,
        handlers = sym HANDLERS,
        vector = const frame::VECTOR,
        rcx = const frame::RCX,
        r11 = const frame::R11,
        instruction_pointer = const frame::INSTRUCTION_POINTER,
        stack_pointer = const frame::STACK_POINTER,
        machine_check = const how::MACHINE_CHECK,
        by_ret = const how::BY_RET,
        end_machine_check = sym end_machine_check,
        leave = sym leave,
    )
}

const _: () = assert!(how::BACK == 0 && how::ORDINARY < 0 && how::BY_RET & how::MACHINE_CHECK == 0);
// The link is the first word above the frame: the entry pushes from `top - IST_LINK_BYTES`.
const _: () = assert!(IST_LINK_BYTES == 16);
