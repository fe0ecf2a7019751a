//! Executes what ring 3 must not; the argument says which of the instructions below.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::entry;
use programs::{enter_site, sites};

entry!(run);

fn run(argument: u64) -> u64 {
    // SAFETY: the suite gives only numbers of the sites below.
    unsafe { enter_site(argument, 0x40_0000) }
}

sites! {
    // Not WBINVD: emulators let it pass.
    0 => "hlt",
    1 => "cli",
    2 => "sti",
    3 => "in al, 0x64",
    4 => "out 0xf4, al",
    5 => "lgdt [rdi]",
    6 => "lidt [rdi]",
    7 => "mov cr3, rdi",
    8 => "mov rax, cr0",
    9 => "rdmsr",
    10 => "wrmsr",
    11 => "invlpg [rdi]",
    12 => "swapgs",
    13 => "sysretq",
    14 => "mov dr7, rdi",
    15 => "ltr si",
    16 => "clts",
    17 => "mov cr8, rdi",
    18 => "xor eax, eax\nxor ecx, ecx\nxor edx, edx\nxsetbv",
    // Back to ring 0 with the kernel's selectors, as the GDT of SYSCALL kernels has them.
    19 => "push 0x10\npush rsp\npush 2\npush 8\npush rdi\niretq",
    // A far return to the kernel's code selector.
    20 => "push 8\npush rdi\nretfq",
    // A selector beyond the GDT, into a data segment register.
    21 => "mov eax, 0xfff8\nmov ds, eax",
}
