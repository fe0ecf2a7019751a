//! Executes `int n` for the vector n that the argument names. Where the gate is open to ring 3 and nothing else
//! happens, it exits with 0.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::entry;

entry!(run);

/// The exit status when the argument is no vector.
const NO_SUCH_VECTOR: u64 = 2;

fn run(argument: u64) -> u64 {
    let Ok(vector) = u8::try_from(argument) else { return NO_SUCH_VECTOR };
    interrupt(vector);
    0
}

#[cfg(not(target_os = "none"))]
fn interrupt(vector: u8) {
    panic!("int {vector:#x} needs the linker script of Gatehouse's programs")
}

#[cfg(target_os = "none")]
fn interrupt(vector: u8) {
    let code = programs::int_n_site(vector);
    // SAFETY: `code` is the address of `int n; ret` below. Through a gate that is open to ring 3 the kernel comes back with
    // RAX, RCX and R11 changed at most: RAX 0 makes the one that is a system call Null.
    unsafe {
        core::arch::asm!(
            "call {code}",
            code = in(reg) code,
            inout("rax") 0u64 => _,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
}

// 256 times `int n; ret`, four bytes each. 0xcd is INT imm8: an assembler would make `int 3` a `int3`.
#[cfg(target_os = "none")]
core::arch::global_asm!(
    ".pushsection .text.first, \"ax\", @progbits",
    ".set vector, 0",
    ".rept 256",
    ".byte 0xcd, vector",
    "ret",
    ".balign {stride}",
    ".set vector, vector + 1",
    ".endr",
    ".popsection",
    stride = const programs::INT_N_STRIDE,
);
