//! The SYSCALL entry: builds the frame that an interrupt gate would have built, and goes the same way.

use core::arch::naked_asm;

use percpu::{USER_CODE, USER_DATA};

use super::dispatch::dispatch_system_call;
use super::frame::SYSCALL_VECTOR;
use super::leave::leave;
use super::registers::save_general_registers;

/// Where SYSCALL arrives.
///
/// Hardware state: RCX = user RIP, R11 = user RFLAGS, CS and SS the kernel's, RSP and GS still the user's; IF, DF, TF, NT and
/// AC clear by FMASK. No stack was switched.
///
/// What may interrupt here: IST vectors only, which is why #DB has a stack of its own: a data breakpoint delayed by
/// `MOV SS` arrives on the first instruction, with the user's RSP.
///
/// Registers lost: RCX and R11, by SYSCALL itself.
///
/// # Safety
/// Only the processor may come here, in the state described; it is no function to be called.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn syscall_entry() {
    naked_asm!(
        "swapgs",
        "mov gs:[{user_stack_pointer}], rsp",
        "mov rsp, gs:[{save_area_end}]",
        "push {user_data}",                  // SS
        "push gs:[{user_stack_pointer}]",    // RSP
        "push r11",                          // RFLAGS
        "push {user_code}",                  // CS
        "push rcx",                          // RIP
        "push 0",                            // error code
        "push {syscall}",                    // vector
        save_general_registers!(),
        "mov rdi, rsp",
        "mov rsp, gs:[{interrupt_stack_top}]",
        // Backtraces end here.
        "xor ebp, ebp",
        "call {dispatch_system_call}",
        "jmp {leave}",
        user_stack_pointer = const percpu::offsets::USER_STACK_POINTER,
        save_area_end = const percpu::offsets::SAVE_AREA_END,
        interrupt_stack_top = const percpu::offsets::INTERRUPT_STACK_TOP,
        user_data = const USER_DATA.0,
        user_code = const USER_CODE.0,
        syscall = const SYSCALL_VECTOR,
        dispatch_system_call = sym dispatch_system_call,
        leave = sym leave,
    )
}
