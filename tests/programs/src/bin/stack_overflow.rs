//! Pushes (argument 0), calls (1) and stores 64 KiB below its stack top (2) until the guard page is hit.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::entry;
use programs::{enter_site, sites};

entry!(run);

fn run(argument: u64) -> u64 {
    // SAFETY: the suite gives only numbers of the sites below.
    unsafe { enter_site(argument, 0) }
}

sites! {
    0 => "3: push rsi\njmp 3b",
    1 => "3: call 3b",
    2 => "3: sub rsp, 4096\nmov [rsp], rsi\njmp 3b",
}
