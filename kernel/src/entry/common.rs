//! The common entry: the rest of the frame, the CPU's GS, the interrupt stack, Rust.

use percpu::INTERRUPT_STACK_BYTES;

use super::dispatch::return_failed;
use super::handlers::HANDLERS;
use crate::arch::{frame_offsets as frame, leave, naked_frame_asm, push_general_registers, save_general_registers};

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
    naked_frame_asm!(
        "cld",
        // Three bytes of nothing, or CLAC where the CPU has SMAP: see `patch`.
        ".global entry_clac_site",
        "entry_clac_site: .byte 0x0f, 0x1f, 0x00",
        push_general_registers!(),
        "mov rdi, rsp",
        "mov eax, [rsp + {vector}]",
        "test byte ptr [rsp + {code_segment}], 3",
        "jz 2f",
        // From ring 3: the GS base is the user's. The fence keeps the loads below from running ahead with it.
        "swapgs",
        "lfence",
        "mov rsp, gs:[{interrupt_stack_top}]",
        // Odd: backtraces go on in the frame, see `backtrace`.
        "lea rbp, [rdi + 1]",
        "call [{handlers} + rax * 8]",
        "jmp {leave}",
        // From ring 0: GS is the kernel's, unless this is a fault of the `iretq` itself, which runs with the user's.
        "2:",
        // The kernel's addresses are numbers of 32 bits with a sign.
        "cmp qword ptr [rsp + {instruction_pointer}], offset leave_iretq",
        "je 5f",
        "3:",
        "lfence",
        "mov rcx, gs:[{interrupt_stack_top}]",
        "sub rcx, rsp",
        "cmp rcx, {interrupt_stack_bytes}",
        "jae 6f",
        "4:",
        "lea rbp, [rdi + 1]",
        "call [{handlers} + rax * 8]",
        "jmp {leave}",
        // Not on the interrupt stack: go there. Handlers of IST vectors stay where they are: what they interrupted may
        // own the interrupt stack.
        "6:",
        "cmp dword ptr gs:[{ist_depth}], 0",
        "jne 4b",
        "mov rsp, gs:[{interrupt_stack_top}]",
        "jmp 4b",
        // The `iretq` faulted. RSP was at the target's RIP word, so the words from there up are the target's still; this
        // frame holds the target's general registers. If the target is in ring 0, GS was not swapped and the fault is
        // the kernel's own.
        "5:",
        "mov rcx, [rsp + {stack_pointer}]",
        "test byte ptr [rcx + {code_segment} - {instruction_pointer}], 3",
        "jz 3b",
        "swapgs",
        "lfence",
        "mov rsp, gs:[{interrupt_stack_top}]",
        "xor ebp, ebp",
        "call {return_failed}",
        "jmp {leave}";
        vector = const frame::VECTOR,
        rcx = const frame::RCX,
        r11 = const frame::R11,
        code_segment = const frame::CODE_SEGMENT,
        instruction_pointer = const frame::INSTRUCTION_POINTER,
        stack_pointer = const frame::STACK_POINTER,
        interrupt_stack_top = const percpu::offsets::INTERRUPT_STACK_TOP,
        ist_depth = const percpu::offsets::IST_DEPTH,
        interrupt_stack_bytes = const INTERRUPT_STACK_BYTES,
        handlers = sym HANDLERS,
        return_failed = sym return_failed,
        leave = sym leave,
    )
}
