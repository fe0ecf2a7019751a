//! Uses a non-canonical address: load (argument 0), store (1), jump (2), return (3), push (4),
//! return from an interrupt (5), far return (6).
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::entry;
use programs::{enter_site, sites};

entry!(run);

/// Bit 47 is set and those above are not: the lowest non-canonical address.
const NON_CANONICAL: u64 = 0x8000_0000_0000;

fn run(argument: u64) -> u64 {
    // SAFETY: the suite gives only numbers of the sites below.
    unsafe { enter_site(argument, NON_CANONICAL) }
}

sites! {
    0 => "mov rax, [rdi]",
    1 => "mov [rdi], rax",
    2 => "jmp rdi",
    3 => "push rdi\nret",
    4 => "lea rsp, [rdi + 0x1000]\npush rsi",
    5 => "mov rax, rsp\npush 0x1b\npush rax\npush 0x202\npush 0x23\npush rdi\niretq",
    6 => "push 0x23\npush rdi\nretfq",
}
