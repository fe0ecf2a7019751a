//! The common entry: the rest of the frame, the CPU's GS, the interrupt stack, Rust.

use core::arch::naked_asm;

use percpu::INTERRUPT_STACK_BYTES;

use super::dispatch::{dispatch_trap, return_failed};
use super::frame::offsets as frame;
use super::leave::leave;
use super::registers::save_general_registers;

/// Where every stub but those of IST vectors goes.
///
/// Hardware state: as at the stub. From ring 3, RSP is in the running thread's save area (TSS.rsp0 was its end); from
/// ring 0, on the stack in use. On the stack: vector, error code, RIP, CS, RFLAGS, RSP, SS.
///
/// What may interrupt here: IST vectors only. They use stacks of their own and do not trust GS, so it does not matter
/// that RSP points into a thread and that GS may be the user's.
///
/// Registers lost: none, all are in the frame before the first is used.
///
/// # Safety
/// Only the processor, by way of a stub, may come here, in the state described; it is no function to be called.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn entry() {
    naked_asm!(
        "cld",
        // Three bytes of nothing, or CLAC where the CPU has SMAP: see `patch`.
        ".global entry_clac_site",
        "entry_clac_site: .byte 0x0f, 0x1f, 0x00",
        save_general_registers!(),
        "test byte ptr [rsp + {code_segment}], 3",
        "jz 2f",
        // From ring 3: the GS base is the user's. The fence keeps the loads below from running ahead with it.
        "swapgs",
        "lfence",
        "mov rdi, rsp",
        "mov rsp, gs:[{interrupt_stack_top}]",
        // Backtraces end here.
        "xor ebp, ebp",
        "call {dispatch_trap}",
        "jmp {leave}",
        // From ring 0: GS is the kernel's, unless this is a fault of the `iretq` itself, which runs with the user's.
        "2:",
        "lea rax, [rip + leave_iretq]",
        "cmp rax, [rsp + {instruction_pointer}]",
        "je 4f",
        "3:",
        "lfence",
        "mov rdi, rsp",
        // Handlers of IST vectors stay where they are: what they interrupted may own the interrupt stack.
        "cmp dword ptr gs:[{ist_depth}], 0",
        "jne 5f",
        "mov rax, gs:[{interrupt_stack_top}]",
        "sub rax, rsp",
        "cmp rax, {interrupt_stack_bytes}",
        "jb 5f",
        "mov rsp, gs:[{interrupt_stack_top}]",
        "5:",
        "call {dispatch_trap}",
        "jmp {leave}",
        // The `iretq` faulted. RSP was at the target's RIP word, so the words from there up are the target's still; this
        // frame holds the target's general registers. If the target is in ring 0, GS was not swapped and the fault is
        // the kernel's own.
        "4:",
        "mov rax, [rsp + {stack_pointer}]",
        "test byte ptr [rax + {code_segment} - {instruction_pointer}], 3",
        "jz 3b",
        "swapgs",
        "lfence",
        "mov rdi, rsp",
        "mov rsp, gs:[{interrupt_stack_top}]",
        "xor ebp, ebp",
        "call {return_failed}",
        "jmp {leave}",
        code_segment = const frame::CODE_SEGMENT,
        instruction_pointer = const frame::INSTRUCTION_POINTER,
        stack_pointer = const frame::STACK_POINTER,
        interrupt_stack_top = const percpu::offsets::INTERRUPT_STACK_TOP,
        ist_depth = const percpu::offsets::IST_DEPTH,
        interrupt_stack_bytes = const INTERRUPT_STACK_BYTES,
        dispatch_trap = sym dispatch_trap,
        return_failed = sym return_failed,
        leave = sym leave,
    )
}
