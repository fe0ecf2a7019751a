//! A timer interrupt with nothing to do and nobody to switch to: the end of a slice that another thread was given and did
//! not need.

use gatehouse_runtime::Kernel;
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::SECOND;
use programs::check;

use crate::client;
use crate::plan::Plan;
use crate::samples::Samples;
use crate::trace;

pub(crate) const KEYS: &[&str] = &["timer_interrupt"];

/// Interrupts that are waited for: each takes a slice of 10 ms, ten million instructions.
const ROUNDS: usize = 7;
/// A turn of the loop takes fewer ticks, a turn with an interrupt in it more.
const INTERRUPTED: u64 = 40;
/// Turns of the loop: more than a slice lasts.
const TURNS: u32 = 3_000_000;

pub(crate) fn measure(plan: &Plan<'_>) {
    let (here, _) = client::cpus();
    let mut samples = Samples::new();
    let mut user = u64::MAX;
    for _ in 0..ROUNDS {
        // While it is ready the slice begins; then it ends, and nobody is ready when the slice does.
        let helper = Thread::spawn(|_| 0, 0, here);
        check!(helper.is_ok(), "{helper:?}");
        let Ok(helper) = helper else { return };
        Kernel::yield_now();
        check!(helper.join(SECOND) == Some(0), "the helper does not end");
        if plan.trace {
            trace::begin("timer_interrupt@trap_stub_timer");
        }
        let (least, interrupted) = turns();
        if plan.trace {
            // The emulator's clock does not count what is stepped through.
            return;
        }
        // None came inside the loop when it came just before.
        if interrupted > 0 {
            user = user.min(least);
            samples.push(interrupted);
        }
    }
    samples.record("timer_interrupt", user, 1);
}

/// Turns until an interrupt, at most [`TURNS`]: the ticks of the last turn without one, and of the one that was
/// interrupted, else 0.
fn turns() -> (u64, u64) {
    let (shortest, interrupted): (u64, u64);
    #[cfg(target_os = "none")]
    // SAFETY: only the registers named are changed.
    unsafe {
        core::arch::asm!(
            "mov r10d, {turns}",
            "rdtsc",
            "shl rdx, 32",
            "or rdx, rax",
            "mov r8, rdx",
            "2:",
            "rdtsc",
            "shl rdx, 32",
            "or rax, rdx",
            "mov rdx, rax",
            "sub rdx, r8",
            "mov r8, rax",
            "cmp rdx, {limit}",
            "ja 3f",
            "mov r9, rdx",
            "dec r10d",
            "jnz 2b",
            "xor edx, edx",
            "3:",
            turns = const TURNS,
            limit = const INTERRUPTED,
            out("rax") _, out("rdx") interrupted, out("r8") _, inout("r9") u64::MAX => shortest, out("r10") _,
            options(nomem, nostack),
        );
    }
    #[cfg(not(target_os = "none"))]
    {
        (shortest, interrupted) = (0, INTERRUPTED);
    }
    (shortest, interrupted)
}
