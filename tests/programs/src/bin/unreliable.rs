//! A program that ends badly in most ways: what the first program `supervisor` starts again and again. Not a hazard by itself.
//!
//! The argument is the number of the site below that it comes to; without such a site it exits with status 0. Site 5 stops at
//! a breakpoint for good, site 6 never ends.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::entry;
use programs::{UNRELIABLE_SITES, enter_site, sites};

entry!(run);

fn run(argument: u64) -> u64 {
    if argument >= UNRELIABLE_SITES {
        return 0;
    }
    // SAFETY: the sites are below.
    unsafe { enter_site(argument, 0) }
}

sites! {
    0 => "ud2",
    1 => "mov rax, [rdi]",
    2 => "mov [rdi], rax",
    3 => "div edi",
    4 => "nop",
    5 => "int3",
    6 => "2: pause\njmp 2b",
}
