//! Yield to another thread that is ready, and back: two switches, with another address space within one, and with the
//! floating-point unit in use on both sides.

use gatehouse_runtime::Kernel;
use gatehouse_runtime::abi::SystemCall;
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::SECOND;
use programs::check;
use programs::raw::message::{first_utcb, resume_thread, spawn_suspended};

use crate::client::{self, YIELD, YIELD_FPU};
use crate::plan::{Plan, WARM_UP};
use crate::samples::Samples;
use crate::timed::{timed, user_ticks};
use crate::trace;

pub(crate) const KEYS: &[&str] = &["context_switch", "context_switch_same_space"];
pub(crate) const FPU_KEYS: &[&str] = &["context_switch_fpu"];

timed!(yield_once, "syscall");

/// The other thread's instructions between two of its calls: `mov` and SYSCALL, and two for the loop.
const OTHERS_TICKS: u64 = 4;

/// How often the other thread yields: more than this one, which must not be alone before the last.
fn often(plan: &Plan<'_>) -> u64 {
    (2 * WARM_UP + plan.rounds()) as u64
}

pub(crate) fn measure(plan: &Plan<'_>) {
    with_program(plan, YIELD, "context_switch", "context_switch,context_switch");
    let (here, _) = client::cpus();
    let other = Thread::spawn(
        |often| {
            yield_often(often);
            0
        },
        often(plan),
        here,
    );
    check!(other.is_ok(), "{other:?}");
    let Ok(other) = other else { return };
    yield_and_sample(plan, "context_switch_same_space", "context_switch_same_space,context_switch_same_space");
    check!(other.join(SECOND) == Some(0), "the other thread does not end");
}

pub(crate) fn measure_fpu(plan: &Plan<'_>) {
    use_fpu();
    with_program(plan, YIELD_FPU, "context_switch_fpu", "context_switch_fpu,context_switch_fpu");
}

/// Uses the floating-point unit: from then on the thread has a state of it.
pub(crate) fn use_fpu() {
    #[cfg(target_os = "none")]
    // SAFETY: no code of this program keeps anything in the register.
    unsafe {
        core::arch::asm!("pxor xmm0, xmm0", options(nomem, nostack));
    }
}

/// With this program again, in a role that yields.
fn with_program(plan: &Plan<'_>, role: u64, key: &str, name: &str) {
    let (here, _) = client::cpus();
    // SAFETY: this is the first thread.
    let utcb = unsafe { first_utcb() };
    let other = spawn_suspended("bench", client::argument(role, often(plan)), here, &utcb);
    check!(other.is_ok(), "{other:?}");
    let Ok(other) = other else { return };
    check!(resume_thread(other.thread).is_ok(), "the other program does not start");
    yield_and_sample(plan, key, name);
    let end = Kernel::wait_program(SECOND);
    check!(end.is_ok_and(|end| end.is_some_and(|end| end.status == 0)), "the other program ended with {end:?}");
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
