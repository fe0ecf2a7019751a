//! A SYSCALL that ends with the highest page of the user half: the address to return to is the first one behind it. The
//! kernel must come back to ring 3, where the fetch faults, and not fault itself.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::entry;

entry!(run);

fn run(_argument: u64) -> u64 {
    enter_boundary()
}

#[cfg(not(target_os = "none"))]
fn enter_boundary() -> ! {
    panic!("{:#x} needs the linker script of this program", programs::BOUNDARY_SITE)
}

#[cfg(target_os = "none")]
fn enter_boundary() -> ! {
    // SAFETY: `scripts/syscall_boundary.ld` puts the section below there. RAX 0 is Null; behind it no page is mapped, so that
    // nothing comes back.
    unsafe { core::arch::asm!("jmp {}", in(reg) programs::BOUNDARY_SITE, in("rax") 0, options(noreturn)) }
}

#[cfg(target_os = "none")]
core::arch::global_asm!(
    ".pushsection .text.highest, \"ax\", @progbits",
    "highest:",
    ".org highest + 4096 - 2, 0xcc",
    "syscall",
    ".popsection",
);
