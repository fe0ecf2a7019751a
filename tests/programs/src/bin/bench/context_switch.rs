//! Yield to another thread that is ready, and back: two switches, with another address space and within one.

use gatehouse_runtime::Kernel;
use gatehouse_runtime::abi::SystemCall;
use gatehouse_runtime::message::{first_utcb, resume_thread, spawn_suspended};
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::SECOND;
use programs::check;

use crate::client::{self, YIELD};
use crate::plan::{Plan, WARM_UP};
use crate::samples::Samples;
use crate::timed::{timed, user_ticks};
use crate::trace;

pub(crate) const KEYS: &[&str] = &["context_switch", "context_switch_same_space"];

timed!(yield_once, "syscall");

/// The other thread's instructions between two of its calls: `mov` and SYSCALL, and two for the loop.
const OTHERS_TICKS: u64 = 4;

pub(crate) fn measure(plan: &Plan<'_>) {
    let (here, _) = client::cpus();
    // More than this thread does: the other one must not end before the last.
    let often = (2 * WARM_UP + plan.rounds()) as u64;

    // SAFETY: this is the first thread.
    let utcb = unsafe { first_utcb() };
    let other = spawn_suspended("bench", client::argument(YIELD, often), here, &utcb);
    check!(other.is_ok(), "{other:?}");
    let Ok(other) = other else { return };
    check!(resume_thread(other.thread).is_ok(), "the other program does not start");
    yield_and_sample(plan, "context_switch", "context_switch,context_switch");
    let end = Kernel::wait_program(SECOND);
    check!(end.is_ok_and(|end| end.is_some_and(|end| end.status == 0)), "the other program ended with {end:?}");

    let other = Thread::spawn(
        |often| {
            yield_often(often);
            0
        },
        often,
        here,
    );
    check!(other.is_ok(), "{other:?}");
    let Ok(other) = other else { return };
    yield_and_sample(plan, "context_switch_same_space", "context_switch_same_space,context_switch_same_space");
    check!(other.join(SECOND) == Some(0), "the other thread does not end");
}

fn yield_and_sample(plan: &Plan<'_>, key: &str, name: &str) {
    let call = SystemCall::Yield as u64;
    for _ in 0..WARM_UP {
        yield_once(call);
    }
    if plan.trace {
        for _ in 0..plan.rounds() {
            trace::begin(name);
            yield_once(call);
            trace::end();
        }
        return;
    }
    let mut samples = Samples::new();
    for _ in 0..plan.rounds() {
        samples.push(yield_once(call));
    }
    samples.record(key, user_ticks() + OTHERS_TICKS, 2);
}

/// Yields as often as said, in a loop of four instructions.
pub(crate) fn yield_often(often: u64) {
    #[cfg(target_os = "none")]
    // SAFETY: Yield keeps all registers but RAX, RCX and R11.
    unsafe {
        core::arch::asm!(
            "2:",
            "mov eax, {call}",
            "syscall",
            "dec {left}",
            "jnz 2b",
            left = inout(reg) often => _,
            call = const SystemCall::Yield as u64,
            out("rax") _, out("rcx") _, out("r11") _,
            options(nostack),
        );
    }
    #[cfg(not(target_os = "none"))]
    let _ = often;
}
