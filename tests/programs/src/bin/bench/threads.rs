//! Creating a thread, and its end.

use gatehouse_runtime::abi::SystemCall;
use gatehouse_runtime::memory::Memory;

use programs::check;

use crate::client;
use crate::plan::{Plan, WARM_UP};
use crate::samples::Samples;
use crate::timed::{call, call_user_ticks};
use crate::trace;

pub(crate) const KEYS: &[&str] = &["thread_create", "thread_destroy"];

/// Where the new thread begins: it ends at once. It uses no stack.
#[cfg(target_os = "none")]
#[unsafe(naked)]
extern "C" fn exit_at_once() -> ! {
    core::arch::naked_asm!("mov eax, {exit}", "xor edi, edi", "syscall", "ud2", exit = const SystemCall::ExitThread as u64)
}
#[cfg(not(target_os = "none"))]
extern "C" fn exit_at_once() -> ! {
    unreachable!("not under Gatehouse")
}

pub(crate) fn measure(plan: &Plan<'_>) {
    let (here, _) = client::cpus();
    let stack = Memory::map(4096);
    check!(stack.is_ok(), "{stack:?}");
    let Ok(stack) = stack else { return };
    let arguments = [exit_at_once as *const () as u64, stack.end(), 0, here];
    let mut samples = Samples::new();
    for round in 0..WARM_UP + plan.rounds() {
        let marked = plan.trace && round >= WARM_UP;
        if marked {
            // The slice that begins with the second ready thread is armed in some rounds and not in others, since the
            // emulator's clock jumps between traces.
            trace::begin("thread_create");
        }
        let created = call(SystemCall::SpawnThread, arguments);
        if marked {
            trace::end();
            // The switch to the thread is in the first stay, its end and the switch back in the second.
            trace::begin("-,thread_destroy");
        }
        call(SystemCall::Yield, [0; 4]);
        if marked {
            trace::end();
        }
        if round >= WARM_UP {
            samples.push(created);
        }
    }
    if !plan.trace {
        samples.record("thread_create", call_user_ticks(), 1);
    }
}
