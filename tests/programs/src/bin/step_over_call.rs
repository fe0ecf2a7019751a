//! Steps over a system call with TF set: SYSCALL (argument 0) and `int 0x80` (1); and with the single step held back by
//! a load of SS right before: SYSCALL (2) and `int 0x80` (3). The kernel must not be stepped.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::entry;
use gatehouse_runtime::register_pattern::{START_FLAGS, TRAP_FLAG};
use programs::{enter_site, sites};

entry!(run);

fn run(argument: u64) -> u64 {
    // SAFETY: the suite gives only numbers of the sites below.
    unsafe { enter_site(argument, START_FLAGS | TRAP_FLAG) }
}

// The call is Null, number 0; PUSH, POPFQ and XOR come to 4 bytes, with the load of SS to 6.
sites! {
    0 => "xor eax, eax\npush rdi\npopfq\nsyscall\nnop\nnop\nnop",
    1 => "xor eax, eax\npush rdi\npopfq\nint 0x80\nnop\nnop\nnop",
    2 => "mov ecx, ss\nxor eax, eax\npush rdi\npopfq\nmov ss, ecx\nsyscall\nnop\nnop\nnop",
    3 => "mov ecx, ss\nxor eax, eax\npush rdi\npopfq\nmov ss, ecx\nint 0x80\nnop\nnop\nnop",
}
