//! What the first program `debugger` debugs: a short loop at a known place. Not a hazard by itself.
//!
//! Argument 0: a debugger has mapped the variable. Argument 1: the program maps it itself. Argument 2: it spins until a debugger
//! puts it to the loop.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::memory::PAGE_SIZE;
use gatehouse_runtime::{Kernel, entry};
use programs::{DEBUGGEE_SPINS, DEBUGGEE_TURNS, DEBUGGEE_VARIABLE, check, enter_site, sites};

entry!(run);

fn run(argument: u64) -> u64 {
    // The debugger ends the loop by putting the thread elsewhere.
    while core::hint::black_box(argument) == DEBUGGEE_SPINS {
        core::hint::spin_loop();
    }
    if argument != 0 {
        let mapped = Kernel::map_memory(DEBUGGEE_VARIABLE, PAGE_SIZE);
        check!(mapped.is_ok(), "{mapped:?}");
    }
    // SAFETY: site 0 is below; the variable is mapped, or the access faults.
    unsafe { enter_site(0, DEBUGGEE_VARIABLE) }
}

const _: () = assert!(DEBUGGEE_TURNS == 10, "the count is in the text below");

// By offset: 0 XOR, 2 MOV, 7 INC, 10 MOV, 13 DEC, 15 JNZ, 17 the end.
sites! {
    0 => "xor eax, eax\nmov ecx, 10\n2: inc rax\nmov [rdi], rax\ndec ecx\njnz 2b",
}
