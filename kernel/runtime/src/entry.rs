//! From the kernel's hand-over to the program's own function.

use crate::Kernel;

/// Makes a function `fn(u64) -> u64` the start of the program. It gets the argument given to
/// SpawnProgram (0 for the first program); its return value is the program's exit status.
///
/// On a target other than `x86_64-unknown-none` it makes a `main` that refuses to run, so the function
/// itself must not be called `main`.
#[macro_export]
macro_rules! entry {
    ($function:path) => {
        /// Where the kernel enters the program.
        ///
        /// Hardware state: ring 3, RFLAGS 0x202, RSP 16-byte aligned with nothing on the stack, RDI the argument,
        /// RSI the program's number, RDX its message buffer, every other general register zero. Loses nothing that matters and never
        /// returns: `call` leaves the stack as a C function expects it, and the function exits.
        #[cfg(target_os = "none")]
        #[unsafe(naked)]
        #[unsafe(no_mangle)]
        extern "C" fn _start() -> ! {
            extern "C" fn start(argument: u64, _program: u64) -> ! {
                $crate::start($function, argument)
            }
            ::core::arch::naked_asm!("call {start}", "ud2", start = sym start)
        }

        #[cfg(not(target_os = "none"))]
        fn main() {
            let _program: fn(u64) -> u64 = $function;
            ::std::eprintln!("this program runs in ring 3 of Gatehouse, not here");
            ::std::process::exit(1);
        }
    };
}

/// Runs the program's function and exits with its answer.
#[doc(hidden)]
pub fn start(function: fn(u64) -> u64, argument: u64) -> ! {
    Kernel::exit_program(function(argument))
}
