//! Traps raised on purpose, for [`crate::test_hooks`]: by the instructions that cause them, and, for exceptions that no
//! instruction causes here, by entering their stubs as the processor would.

use core::arch::{asm, naked_asm};

use super::stubs::stub;
use crate::arch::{Frame as TrapFrame, frame_offsets as frame, naked_frame_asm, restore_general_registers, vectors};
use crate::cpu::ThisCpu;

/// Loads the word at `address`, whatever is there.
pub fn load(address: u64) -> u64 {
    let word;
    // SAFETY: a load; where it cannot be made, the trap is what the caller wants, and it does not come back.
    unsafe { asm!("mov {}, [{}]", out(reg) word, in(reg) address, options(nostack, readonly, preserves_flags)) };
    word
}

/// Stores a word to `address`.
pub fn store(address: u64) {
    // SAFETY: none for an address that can be written to: the machine has been opened to such tests by whoever booted it.
    // Else the store traps, which is what the caller wants, and does not come back.
    unsafe { asm!("mov [{}], {}", in(reg) address, in(reg) 0_u64, options(nostack, preserves_flags)) };
}

/// Calls `address`.
pub fn execute(address: u64) {
    // SAFETY: as for `store`.
    unsafe { asm!("call {}", in(reg) address, clobber_abi("C")) };
}

/// Executes `ud2`.
pub fn unknown_instruction() {
    // SAFETY: the trap does not come back.
    unsafe { asm!("ud2", options(nomem, nostack)) };
}

/// Executes `int3`.
pub fn breakpoint() {
    // SAFETY: the trap changes no register, if it comes back at all.
    unsafe { asm!("int3", options(nostack)) };
}

/// Executes `int` with the vector of spurious interrupts, which comes back by the entry that all exceptions take.
pub fn spurious_interrupt() {
    // SAFETY: the handler counts the entry and comes back with all registers as they were.
    unsafe { asm!("int {}", const vectors::SPURIOUS, options(preserves_flags)) };
}

/// Divides by zero.
pub fn divide_error() {
    // SAFETY: the trap does not come back.
    unsafe { asm!("div {0:e}", in(reg) 0, inout("eax") 1 => _, inout("edx") 0 => _, options(nomem, nostack)) };
}

/// Executes one instruction with TF set.
pub fn single_step() {
    // SAFETY: the handler of #DB comes back with all registers as they were; the flags are restored here.
    unsafe {
        asm!("pushfq", "pushfq", "or dword ptr [rsp], 0x100", "popfq", "nop", "popfq");
    }
}

/// Enters the stub of an exception as the processor does for one in ring 0. Comes back if the handler does.
pub fn exception_in_kernel(cpu: &ThisCpu, number: u8, error_code: u64) {
    let row = vectors::vector(number);
    let own_stack = row.ist.map_or(0, |slot| cpu.task_state().interrupt_stack(slot));
    // SAFETY: the stub is the vector's own, the error code is there if its row says so, and the stack is the one that the
    // gate names, on which nothing lives: this is no handler of an IST vector.
    unsafe { enter_stub(stub(number), error_code, u64::from(row.error_code), own_stack) };
}

/// Builds the processor's frame and jumps to the stub.
///
/// Hardware state: ring 0, interrupts off, GS the kernel's. Stack: that of the caller, aligned down, or `own_stack` if it is
/// not 0; from there SS, RSP, RFLAGS, CS, RIP, and the error code if `has_error_code` is not 0.
///
/// Arguments: RDI the stub, RSI the error code, RDX whether there is one, RCX the stack. Registers lost: RAX, R8; those of the
/// C calling convention, as far as callers know.
///
/// What may interrupt here: IST vectors, on other stacks than this one, save for one of the very vector: none comes here.
///
/// # Safety
/// The stub must be one that the arguments fit; `own_stack` must be the one that the gate names.
#[unsafe(naked)]
unsafe extern "C" fn enter_stub(stub: u64, error_code: u64, has_error_code: u64, own_stack: u64) {
    naked_asm!(
        "mov r8, rsp",
        "test rcx, rcx",
        "jz 2f",
        "mov rsp, rcx",
        "2:",
        "and rsp, -16",
        "mov eax, ss",
        "push rax",
        "push r8",
        "pushfq",
        "mov eax, cs",
        "push rax",
        "lea rax, [rip + 4f]",
        "push rax",
        "test rdx, rdx",
        "jz 3f",
        "push rsi",
        "3:",
        "jmp rdi",
        "4:",
        "ret",
    )
}

/// Enters the stub of an exception as the processor does for one in ring 3: `thread` is the frame of the running thread.
pub fn exception_in_program(cpu: &ThisCpu, thread: &mut TrapFrame, number: u8, error_code: u64) -> ! {
    let row = vectors::vector(number);
    let top = row.ist.map_or(cpu.task_state().privilege_stack(), |slot| cpu.task_state().interrupt_stack(slot));
    let mut copy = *thread;
    // What `ret` finds once the general registers are popped.
    copy.set_trap(stub(number), error_code);
    if number == vectors::PAGE_FAULT {
        // SAFETY: CR2 is this CPU's, and nothing between here and the entry faults.
        unsafe { asm!("mov cr2, {}", in(reg) copy.general.rdx, options(nomem, nostack, preserves_flags)) };
    }
    let place = (top - size_of::<TrapFrame>() as u64) as *mut TrapFrame;
    // SAFETY: the place is the save area of the running thread, whose frame it holds and which goes on through this copy
    // only, or the IST stack of the vector, which is not in use: this is no handler of an IST vector.
    unsafe { place.write(copy) };
    // SAFETY: the frame is one of ring 3, with the stub's address as its vector.
    unsafe { leave_to_stub(place, u64::from(row.error_code)) }
}

/// Restores a thread's registers and jumps to the stub whose address the frame has as its vector.
///
/// Hardware state: ring 0, interrupts off, GS the kernel's; at the stub, the user's. In memory from RDI up: R15 … RDI, the
/// stub's address, the error code, RIP, CS, RFLAGS, RSP, SS. Stack at the stub: from the error code up, or from RIP up if RSI
/// is 0.
///
/// What may interrupt here: IST vectors, on other stacks than this one.
///
/// # Safety
/// `frame` must be whole, one of ring 3, where the gate of the vector would make the processor push it.
#[unsafe(naked)]
unsafe extern "C" fn leave_to_stub(frame: *mut TrapFrame, has_error_code: u64) -> ! {
    naked_frame_asm!(
        "mov rax, rdi",
        // Nothing up to the jump changes the flags.
        "test rsi, rsi",
        restore_general_registers!(),
        "mov rcx, [rax + {rcx}]",
        "mov r11, [rax + {r11}]",
        "lea rsp, [rax + {vector}]",
        "mov rax, [rax + {rax}]",
        "swapgs",
        "jz 2f",
        "ret",
        "2:",
        "ret {error_code_bytes}";
        rcx = const frame::RCX,
        r11 = const frame::R11,
        vector = const frame::VECTOR,
        error_code_bytes = const frame::INSTRUCTION_POINTER - frame::ERROR_CODE,
    )
}

/// Gives the thread's saved context a code segment that no setter lets in.
pub fn refuse_return(thread: &mut TrapFrame, selector: u64) {
    let word = (&raw mut *thread).cast::<u8>().wrapping_add(frame::CODE_SEGMENT).cast::<u64>();
    // SAFETY: the word is a field of the frame. Privilege is kept: the processor checks the selector's level with CS's own, and
    // one that it accepts is the user's, as RPL 3 is kept here.
    unsafe { word.write(selector | 3) };
    thread.leave_by_iret();
}
