//! One instruction that goes into the kernel and comes back, between two stamps.

use gatehouse_runtime::abi::SystemCall;

use crate::plan::{Plan, WARM_UP};
use crate::samples::Samples;
use crate::trace;

/// A function `fn(u64) -> u64`: ticks from stamp to stamp around an instruction, RAX holding the argument. The kernel
/// keeps all registers but RAX, RCX and R11.
///
/// `nop` in the instruction's place calibrates: what is left is the program's own share, and the instruction itself, which
/// the emulator counts as executed.
macro_rules! timed {
    ($name:ident, $instruction:literal) => {
        fn $name(number: u64) -> u64 {
            let ticks: u64;
            #[cfg(target_os = "none")]
            // SAFETY: the instruction answers in RAX and keeps all registers but those named.
            unsafe {
                core::arch::asm!(
                    "mov r9, rax",
                    "rdtsc",
                    "shl rdx, 32",
                    "or rdx, rax",
                    "mov r8, rdx",
                    "mov rax, r9",
                    $instruction,
                    "rdtsc",
                    "shl rdx, 32",
                    "or rax, rdx",
                    "sub rax, r8",
                    inlateout("rax") number => ticks,
                    out("rdx") _, out("r8") _, out("r9") _, out("rcx") _, out("r11") _,
                    options(nostack),
                );
            }
            #[cfg(not(target_os = "none"))]
            {
                ticks = number;
            }
            ticks
        }
    };
}
pub(crate) use timed;

timed!(calibration, "nop");

/// The program's own ticks in each sample of a function that [`timed!`] made.
pub(crate) fn user_ticks() -> u64 {
    (0..WARM_UP).map(|_| calibration(0)).min().unwrap_or(0)
}

/// Samples, or traces, a function that [`timed!`] made.
pub(crate) fn measure(plan: &Plan<'_>, key: &str, operation: fn(u64) -> u64, number: u64) {
    for _ in 0..WARM_UP {
        operation(number);
    }
    if plan.trace {
        for _ in 0..plan.rounds() {
            trace::begin(key);
            operation(number);
            trace::end();
        }
        return;
    }
    let mut samples = Samples::new();
    for _ in 0..plan.rounds() {
        samples.push(operation(number));
    }
    samples.record(key, user_ticks(), 1);
}

/// Makes a system call with up to four arguments between two stamps; answers the ticks.
pub(crate) fn call(call: SystemCall, arguments: [u64; 4]) -> u64 {
    ticks_of(Some(call), arguments)
}

/// The program's own ticks in what [`call`] answers.
pub(crate) fn call_user_ticks() -> u64 {
    (0..WARM_UP).map(|_| ticks_of(None, [0; 4])).min().unwrap_or(0)
}

/// The same with a `nop` in the place of SYSCALL where there is no call.
#[inline(always)]
fn ticks_of(call: Option<SystemCall>, [first, second, third, fourth]: [u64; 4]) -> u64 {
    macro_rules! around {
        ($instruction:literal) => {{
            let ticks: u64;
            #[cfg(target_os = "none")]
            // SAFETY: the callers pass numbers, and memory that they own; the call answers in RAX and keeps all registers
            // but those named.
            unsafe {
                core::arch::asm!(
                    "rdtsc",
                    "shl rdx, 32",
                    "or rdx, rax",
                    "mov r12, rdx",
                    "mov rdx, r13",
                    "mov rax, r14",
                    $instruction,
                    "rdtsc",
                    "shl rdx, 32",
                    "or rax, rdx",
                    "sub rax, r12",
                    in("rdi") first, in("rsi") second, in("r13") third, in("r10") fourth,
                    in("r14") call.map_or(0, |call| call as u64),
                    in("r8") 0_u64, in("r9") 0_u64,
                    out("rax") ticks, out("rdx") _, out("r12") _, out("rcx") _, out("r11") _,
                    options(nostack),
                );
            }
            #[cfg(not(target_os = "none"))]
            {
                ticks = first ^ second ^ third ^ fourth;
            }
            ticks
        }};
    }
    if call.is_some() { around!("syscall") } else { around!("nop") }
}
