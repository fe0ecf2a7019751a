//! Executes what is no instruction: `ud2` (argument 0), `ud1` (1), a LOCK prefix where none is allowed (2), an opcode that
//! 64-bit mode does not have (3).
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::entry;
use programs::{enter_site, sites};

entry!(run);

fn run(argument: u64) -> u64 {
    // SAFETY: the suite gives only numbers of the sites below.
    unsafe { enter_site(argument, 0) }
}

sites! {
    0 => "ud2",
    1 => ".byte 0x0f, 0xb9, 0xc0",
    2 => ".byte 0xf0, 0x90",
    // PUSH ES.
    3 => ".byte 0x06",
}
