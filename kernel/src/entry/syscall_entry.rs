//! The SYSCALL entry: builds the frame that an interrupt gate would have built, and goes the same way.

use super::handlers::{SYSTEM_CALL_COUNT, SYSTEM_CALLS};
use crate::arch::{SYSCALL_VECTOR, frame_offsets as frame, leave, naked_frame_asm, save_general_registers};

/// Where SYSCALL arrives.
///
/// Hardware state: RCX = user RIP, R11 = user RFLAGS, CS and SS the kernel's, RSP and GS still the user's; IF, DF, TF, NT and
/// AC clear by FMASK. No stack was switched.
///
/// The frame's CS and SS are the user's already: no frame in a save area ever holds others. RCX and R11 are not saved, SYSCALL
/// having put RIP and RFLAGS into them, which are.
///
/// The number picks the handler: those past the last call share one. The conditional move keeps the processor from calling
/// through memory behind the table when it guesses ahead.
///
/// What may interrupt here: IST vectors only, which is why #DB has a stack of its own: a data breakpoint delayed by
/// `MOV SS` arrives on the first instruction, with the user's RSP.
///
/// Registers lost: RCX and R11, by SYSCALL itself.
///
/// # Safety
/// Only the processor may come here, in the state described; it is no function to be called.
#[unsafe(naked)]
pub unsafe extern "C" fn syscall_entry() {
    naked_frame_asm!(
        "swapgs",
        "mov gs:[{user_stack_pointer}], rsp",
        "mov rsp, gs:[{save_area_end}]",
        // Up to here RSP is whatever the program chose: see `interrupted_stack`.
        ".global syscall_entry_off_users_stack",
        "syscall_entry_off_users_stack:",
        "sub rsp, {frame_size}",
        save_general_registers!(),
        "mov [rsp + {instruction_pointer}], rcx",
        "mov [rsp + {flags}], r11",
        "mov rcx, gs:[{user_stack_pointer}]",
        "mov [rsp + {stack_pointer}], rcx",
        "mov qword ptr [rsp + {vector}], {syscall}",
        "mov rdi, rsp",
        "mov rsp, gs:[{interrupt_stack_top}]",
        // Odd: backtraces go on in the frame, see `backtrace`.
        "lea rbp, [rdi + 1]",
        "mov ecx, {count}",
        "cmp rax, rcx",
        "cmovae rax, rcx",
        "call [{system_calls} + rax * 8]",
        "jmp {leave}";
        user_stack_pointer = const percpu::offsets::USER_STACK_POINTER,
        save_area_end = const percpu::offsets::SAVE_AREA_END,
        interrupt_stack_top = const percpu::offsets::INTERRUPT_STACK_TOP,
        frame_size = const frame::SIZE,
        instruction_pointer = const frame::INSTRUCTION_POINTER,
        flags = const frame::FLAGS,
        stack_pointer = const frame::STACK_POINTER,
        vector = const frame::VECTOR,
        syscall = const SYSCALL_VECTOR,
        count = const SYSTEM_CALL_COUNT,
        system_calls = sym SYSTEM_CALLS,
        leave = sym leave,
    )
}
