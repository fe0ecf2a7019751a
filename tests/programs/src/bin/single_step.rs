//! Sets TF, for a plain instruction to follow (argument 0), and again after a plain one (1).
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::entry;
use gatehouse_runtime::register_pattern::{START_FLAGS, TRAP_FLAG};
use programs::{enter_site, sites};

entry!(run);

fn run(argument: u64) -> u64 {
    // SAFETY: the suite gives only numbers of the sites below.
    unsafe { enter_site(argument, START_FLAGS | TRAP_FLAG) }
}

sites! {
    0 => "push rdi\npopfq\nnop\nnop",
    1 => "push rdi\npopfq\npush rdi\npopfq\nnop",
}
