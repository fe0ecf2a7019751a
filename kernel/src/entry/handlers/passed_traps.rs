//! Trap instructions that do nothing, for threads that asked for it by PassTraps: decided before Rust.

use core::arch::naked_asm;

use gatehouse_abi::{PASS_BREAKPOINT, PASS_UNDEFINED};
use percpu::offsets::ENTRIES;

use super::breakpoint::breakpoint_in_program;
use super::exception::exception;
use super::unknown_instruction::invalid_opcode_in_program;
use crate::arch::{Frame as TrapFrame, frame_offsets as frame, leave, vectors};
use crate::cpu::CURRENT_THREAD;
use crate::thread::Thread;

/// `ud2` has two bytes (0F 0B).
const UNDEFINED_BYTES: u64 = 2;

/// The vector of `int3`. RIP is behind the instruction already.
///
/// Hardware state: that of a handler: ring 0, interrupts off, GS the kernel's, on the interrupt stack, RDI the frame that the
/// entry has completed. From ring 3 a thread is on this CPU. Registers lost: RAX and RCX.
///
/// What may interrupt here: IST vectors only.
#[unsafe(naked)]
pub(super) extern "C" fn breakpoint_instruction(_frame: *mut TrapFrame) -> *const TrapFrame {
    naked_asm!(
        "test byte ptr [rdi + {code_segment}], 3",
        "jz {in_kernel}",
        "mov rcx, gs:[{current}]",
        "test byte ptr [rcx + {passed}], {bit}",
        "jz {fault}",
        "inc qword ptr gs:[{entries}]",
        "mov rax, rdi",
        "jmp {leave}",
        code_segment = const frame::CODE_SEGMENT,
        in_kernel = sym exception,
        current = const CURRENT_THREAD,
        passed = const Thread::PASSED_TRAPS,
        bit = const PASS_BREAKPOINT,
        fault = sym breakpoint_in_program,
        entries = const ENTRIES + vectors::BREAKPOINT as usize * size_of::<u64>(),
        leave = sym leave,
    )
}

/// The vector of undefined instructions: the thread goes on behind `ud2`. As for [`breakpoint_instruction`].
#[unsafe(naked)]
pub(super) extern "C" fn invalid_opcode(_frame: *mut TrapFrame) -> *const TrapFrame {
    naked_asm!(
        "test byte ptr [rdi + {code_segment}], 3",
        "jz {in_kernel}",
        "mov rcx, gs:[{current}]",
        "test byte ptr [rcx + {passed}], {bit}",
        "jz {fault}",
        // No instruction is mapped in the last page below the non-canonical addresses, so the sum is canonical.
        "add qword ptr [rdi + {instruction_pointer}], {bytes}",
        "inc qword ptr gs:[{entries}]",
        "mov rax, rdi",
        "jmp {leave}",
        code_segment = const frame::CODE_SEGMENT,
        instruction_pointer = const frame::INSTRUCTION_POINTER,
        in_kernel = sym exception,
        current = const CURRENT_THREAD,
        passed = const Thread::PASSED_TRAPS,
        bit = const PASS_UNDEFINED,
        bytes = const UNDEFINED_BYTES,
        fault = sym invalid_opcode_in_program,
        entries = const ENTRIES + vectors::INVALID_OPCODE as usize * size_of::<u64>(),
        leave = sym leave,
    )
}
