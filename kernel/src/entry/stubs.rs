//! One stub a vector: normalise the error code, push the vector, join the common entry.
//!
//! Hardware state at a stub: interrupts off (all gates are interrupt gates), TF, NT, RF clear, CPL 0; DF, AC and the GS
//! base are still the interrupted code's. On the stack: SS RSP RFLAGS CS RIP, and the error code for the vectors of
//! [`ERROR_CODE_MASK`]. No register is changed here.

use core::arch::global_asm;

use super::common::entry;
use super::entry_ist::entry_ist;
use crate::arch::vectors::{DEBUG, ERROR_CODE_MASK, FIRST_DEVICE, IST_MASK, SPURIOUS, TIMER};

/// Bytes from one stub to the next. The assembler refuses (`.org` backwards) a stub that outgrows it.
const STRIDE: usize = 16;

global_asm!(
    ".pushsection .text.stubs, \"ax\"",
    ".balign {stride}",
    "trap_stubs:",
    ".set vector, 0",
    ".rept 256",
    "  .set error_code_pushed, 0",
    "  .set own_stack, 0",
    "  .if vector < 32",
    "    .set error_code_pushed, ({error_codes} >> vector) & 1",
    "    .set own_stack, ({own_stacks} >> vector) & 1",
    "  .endif",
    "  .if error_code_pushed == 0",
    "    push 0",
    "  .endif",
    "  push vector",
    "  .if own_stack == 0",
    "    jmp {entry}",
    "  .else",
    "    jmp {entry_ist}",
    "  .endif",
    "  .set vector, vector + 1",
    "  .org trap_stubs + vector * {stride}, 0xcc",
    ".endr",
    // Names for tools that look at a trap from its beginning.
    ".global trap_stub_debug",
    ".set trap_stub_debug, trap_stubs + {debug} * {stride}",
    ".global trap_stub_timer",
    ".set trap_stub_timer, trap_stubs + {timer} * {stride}",
    ".global trap_stub_device",
    ".set trap_stub_device, trap_stubs + {device} * {stride}",
    ".global trap_stub_spurious",
    ".set trap_stub_spurious, trap_stubs + {spurious} * {stride}",
    ".popsection",
    stride = const STRIDE,
    debug = const DEBUG,
    timer = const TIMER,
    device = const FIRST_DEVICE,
    spurious = const SPURIOUS,
    error_codes = const ERROR_CODE_MASK,
    own_stacks = const IST_MASK,
    entry = sym entry,
    entry_ist = sym entry_ist,
);

unsafe extern "C" {
    /// The first stub.
    static trap_stubs: u8;
}

/// The address of a vector's stub.
pub(super) fn stub(vector: u8) -> u64 {
    core::ptr::addr_of!(trap_stubs) as u64 + u64::from(vector) * STRIDE as u64
}
