//! Jumps to (argument 0) and calls (1) address 0.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::entry;
use programs::{enter_site, sites};

entry!(run);

fn run(argument: u64) -> u64 {
    // SAFETY: the suite gives only numbers of the sites below.
    unsafe { enter_site(argument, 0) }
}

sites! {
    0 => "jmp rdi",
    1 => "call rdi",
}
