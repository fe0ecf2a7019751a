//! Loads from (argument 0, 1), stores to (2, 3) and jumps to (4, 5) the kernel: even arguments mean its direct map, odd
//! ones its image.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::entry;
use programs::{KERNEL_DIRECT_MAP, KERNEL_IMAGE, enter_site, sites};

entry!(run);

fn run(argument: u64) -> u64 {
    let address = if argument.is_multiple_of(2) { KERNEL_DIRECT_MAP } else { KERNEL_IMAGE };
    // SAFETY: the suite gives only numbers up to 5, and the sites below are 0, 1 and 2.
    unsafe { enter_site(argument / 2, address) }
}

sites! {
    0 => "mov rax, [rdi]",
    1 => "mov [rdi], rax",
    2 => "jmp rdi",
}
