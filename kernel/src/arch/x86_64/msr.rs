//! Model-specific registers that a processor may not have, whatever it says: virtual machines leave some out, emulators many.

use core::arch::naked_asm;

use super::frame::TrapFrame;

/// Reads a register; `None` where the processor refuses.
#[must_use]
pub fn read(number: u32) -> Option<u64> {
    let mut value = 0;
    // SAFETY: the pointer is to a local word. Reading a register changes nothing, and a #GP is answered.
    (unsafe { read_or_refuse(number, &raw mut value) } != 0).then_some(value)
}

/// Writes a register; `false` where the processor refuses.
///
/// # Safety
/// As for the register: its value must not break what the kernel relies on.
pub unsafe fn write(number: u32, value: u64) -> bool {
    // SAFETY: the caller's promise; a #GP is answered.
    unsafe { write_or_refuse(number, value) != 0 }
}

/// RDMSR. Answers 1, with the value stored through the pointer, or 0 if the instruction raised #GP.
///
/// Arguments: EDI the register, RSI where its value goes. Registers lost: RAX, RCX, RDX.
///
/// What may interrupt here: anything; a #GP of the instruction at `msr_read` goes on at `msr_refused`.
///
/// # Safety
/// Ring 0, with the IDT loaded; the pointer is to a word that can be written to.
#[unsafe(naked)]
unsafe extern "C" fn read_or_refuse(number: u32, value: *mut u64) -> u64 {
    naked_asm!(
        "mov ecx, edi",
        ".global msr_read",
        "msr_read: rdmsr",
        "shl rdx, 32",
        "or rax, rdx",
        "mov [rsi], rax",
        "mov eax, 1",
        "ret",
        ".global msr_refused",
        "msr_refused: xor eax, eax",
        "ret",
    )
}

/// WRMSR. Answers 1, or 0 if the instruction raised #GP.
///
/// Arguments: EDI the register, RSI its value. Registers lost: RAX, RCX, RDX.
///
/// What may interrupt here: anything; a #GP of the instruction at `msr_write` goes on at `msr_refused`.
///
/// # Safety
/// Ring 0, with the IDT loaded; the value may be written.
#[unsafe(naked)]
unsafe extern "C" fn write_or_refuse(number: u32, value: u64) -> u64 {
    naked_asm!(
        "mov ecx, edi",
        "mov eax, esi",
        "mov rdx, rsi",
        "shr rdx, 32",
        ".global msr_write",
        "msr_write: wrmsr",
        "mov eax, 1",
        "ret",
    )
}

unsafe extern "C" {
    static msr_read: u8;
    static msr_write: u8;
    static msr_refused: u8;
}

/// Lets the kernel go on behind one of the two instructions above, if it is one that the frame of a #GP is at. Both functions
/// have nothing on the stack then but their return address.
pub fn answer_refusal(frame: &mut TrapFrame) -> bool {
    frame.go_on_in_kernel(
        [&raw const msr_read, &raw const msr_write].map(|site| site as u64),
        &raw const msr_refused as u64,
    )
}
