//! A GS base that looks like the kernel's own never confuses the kernel, and is kept. The argument chooses what is done with
//! it: 0 calls and interrupts, 1 `ud2`, 2 a page fault, 3 a breakpoint, 4 a single step, 5 as 0 but set by WRGSBASE, which is
//! an unknown instruction where the kernel has not turned it on.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::Error;
use gatehouse_runtime::register_pattern::{START_FLAGS, TRAP_FLAG};
use gatehouse_runtime::{Kernel, KernelByInt80, entry};
use programs::{BaseRegister, LOOKS_LIKE_KERNEL, check, enter_site, sites, use_everything};

entry!(run);

/// Not canonical: the kernel must refuse them.
const REFUSED: [u64; 3] = [0x8000_0000_0000, 0xffff_7fff_ffff_ffff, 1 << 63];

fn run(argument: u64) -> u64 {
    match argument {
        0 => keep_each(set_by_call),
        1..=4 => {
            set_by_call(LOOKS_LIKE_KERNEL[0]);
            // SAFETY: sites 1 to 4 are below.
            unsafe { enter_site(argument, START_FLAGS | TRAP_FLAG) }
        }
        _ => keep_each(set_by_instruction),
    }
}

fn keep_each(set: fn(u64)) -> u64 {
    for base in LOOKS_LIKE_KERNEL {
        set(base);
        check!(BaseRegister::Gs.is(base), "the GS base is not {base:#x} right after it was set");
        use_everything();
        check!(BaseRegister::Gs.is(base), "the GS base is not {base:#x} after calls, interrupts and moves");
        for refused in REFUSED {
            // SAFETY: nothing here relies on GS.
            let answers = unsafe { [Kernel::set_gs_base(refused), KernelByInt80::set_gs_base(refused)] };
            check!(answers == [Err(Error::InvalidArgument); 2], "GS base {refused:#x}: {answers:?}");
        }
        check!(BaseRegister::Gs.is(base), "the GS base is not {base:#x} after refusals");
    }
    0
}

fn set_by_call(base: u64) {
    // SAFETY: nothing here relies on GS.
    let answer = unsafe { Kernel::set_gs_base(base) };
    check!(answer == Ok(0), "GS base {base:#x}: {answer:?}");
}

fn set_by_instruction(base: u64) {
    // SAFETY: nothing here relies on GS; where the instruction does not exist, the program is shut down as the suite expects.
    unsafe { core::arch::asm!("wrgsbase {}", in(reg) base, options(nostack, nomem)) };
}

sites! {
    1 => "ud2",
    2 => "mov rax, [rsi]",
    3 => "int3",
    4 => "push rdi\npopfq\nnop",
}
