//! What sweeps strike at: a loop in ring 3 that holds a value in every register, and never changes one. To be run as the first
//! program on one CPU under QEMU's debugger stub (`integration_tests::sweep`), which stops it at `sweep_mark`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::{Kernel, entry};
use programs::check;

entry!(run);

fn run(_argument: u64) -> u64 {
    // SAFETY: nothing here reads by way of FS or GS.
    let (fs, gs) = unsafe { (Kernel::set_fs_base(0x1234_5678_9000), Kernel::set_gs_base(0xffff_ffff_8020_0000)) };
    check!(fs.is_ok() && gs.is_ok(), "no base: {fs:?} {gs:?}");
    #[cfg(target_os = "none")]
    // SAFETY: the code uses no memory and does not come back.
    unsafe {
        sweep_spin()
    }
    #[cfg(not(target_os = "none"))]
    1
}

#[cfg(target_os = "none")]
unsafe extern "C" {
    fn sweep_spin() -> !;
}

// DF, AC and ID are set too. RSP is odd: nothing pushes.
#[cfg(target_os = "none")]
core::arch::global_asm!(
    ".global sweep_spin",
    ".type sweep_spin, @function",
    "sweep_spin:",
    "push 0x240602",
    "popfq",
    "fldpi",
    "fldl2e",
    ".irp number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
    "mov rax, 0x0123456789abcd00 + \\number",
    "movq xmm\\number, rax",
    "punpcklqdq xmm\\number, xmm\\number",
    ".endr",
    "mov rax, 0x1111111111111111",
    "mov rbx, 0x2222222222222222",
    "mov rcx, 0x3333333333333333",
    "mov rdx, 0x4444444444444444",
    "mov rsi, 0x5555555555555555",
    "mov rdi, 0x6666666666666666",
    "mov rbp, 0x7777777777777777",
    "mov rsp, 0x0000700000000003",
    "mov r8, 0x8888888888888888",
    "mov r9, 0x9999999999999999",
    "mov r10, 0xaaaaaaaaaaaaaaaa",
    "mov r11, 0xbbbbbbbbbbbbbbbb",
    "mov r12, 0xcccccccccccccccc",
    "mov r13, 0xdddddddddddddddd",
    "mov r14, 0xeeeeeeeeeeeeeeee",
    "mov r15, 0xffffffffffffff0f",
    ".global sweep_mark",
    ".type sweep_mark, @function",
    "sweep_mark:",
    "nop",
    "nop",
    "jmp sweep_mark",
    ".size sweep_mark, . - sweep_mark",
);
