//! Divides by zero (argument 0), and the smallest number by -1 (1).
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::entry;
use programs::{enter_site, sites};

entry!(run);

fn run(argument: u64) -> u64 {
    // SAFETY: the suite gives only numbers of the sites below.
    unsafe { enter_site(argument, 1 << 63) }
}

sites! {
    0 => "div esi",
    1 => "mov rax, rdi\ncqo\nmov rcx, -1\nidiv rcx",
}
