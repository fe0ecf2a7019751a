//! Asks the kernel to enter the stub of an exception as the processor would have for an instruction of this program: for
//! exceptions that no instruction raises here. Its argument: see `programs::delivered`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::entry;
use programs::delivered;

entry!(run);

/// The exit status when the argument is none, or the kernel refused.
const REFUSED: u64 = 2;

fn run(argument: u64) -> u64 {
    let (vector, instruction, error_code) = delivered::fields(argument);
    let hook_argument = vector | error_code << 32;
    match instruction {
        delivered::NO_ACCESS => at::nop(hook_argument, 0),
        delivered::LOAD => at::load(hook_argument, delivered::ODD),
        delivered::STORE => at::store(hook_argument, delivered::ODD),
        delivered::STACK_LOAD => at::stack_load(hook_argument, programs::NON_CANONICAL),
        delivered::STACK_STORE => at::stack_store(hook_argument, programs::NON_CANONICAL),
        _ => {}
    }
    // A handler may have let the program go on, behind the instruction.
    REFUSED
}

#[cfg(target_os = "none")]
mod at {
    use gatehouse_runtime::abi::{SystemCall, TestHook};

    /// A function that makes the call, and has an instruction right behind it.
    macro_rules! exception_at {
        ($($name:ident => $instruction:literal),* $(,)?) => {$(
            pub(crate) fn $name(hook_argument: u64, address: u64) {
                // SAFETY: the call comes back with RAX, RCX and R11 changed if it is refused; then the instruction takes a
                // trap of its own or accesses nothing, which ends this program or is harmless.
                unsafe {
                    core::arch::asm!(
                        "xchg rbp, r12",
                        "syscall",
                        $instruction,
                        "xchg rbp, r12",
                        inout("rax") SystemCall::TestHook as u64 => _,
                        in("rdi") TestHook::ExceptionInProgram as u64,
                        in("rsi") hook_argument,
                        in("r12") address,
                        lateout("rcx") _,
                        lateout("r11") _,
                        options(nostack),
                    );
                }
            }
        )*};
    }

    exception_at! {
        nop => "nop",
        load => "mov rax, [rbp]",
        store => "mov [rbp], rax",
        stack_load => "mov rax, [rbp]",
        stack_store => "mov [rbp], rax",
    }
}

#[cfg(not(target_os = "none"))]
mod at {
    macro_rules! nowhere {
        ($($name:ident),*) => {$(
            pub(crate) fn $name(hook_argument: u64, address: u64) {
                panic!("{hook_argument:#x} at {address:#x}: this program was not built for Gatehouse")
            }
        )*};
    }

    nowhere!(nop, load, store, stack_load, stack_store);
}
