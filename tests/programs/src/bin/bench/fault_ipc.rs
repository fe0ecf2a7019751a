//! A fault as a message: from the fault to the handler, and from the reply to the thread that goes on. By a breakpoint
//! instruction, which goes on behind itself.

use gatehouse_runtime::abi::MessageTag;
use gatehouse_runtime::message::{first_utcb, read_fault_registers, resume_thread, set_fault_handler};
use programs::check;

use crate::client::{self, FAULT};
use crate::exchange::{Directions, reply_receive, server_after, server_before, start};
use crate::plan::{Plan, WARM_UP};
use crate::trace;

pub(crate) const KEYS: &[&str] = &["fault_ipc_deliver", "fault_ipc_reply"];
pub(crate) const CROSS_KEYS: &[&str] =
    &["fault_ipc_cross_round_trip", "fault_ipc_cross_deliver", "fault_ipc_cross_reply"];

/// The client's half before the kernel: stamps into R13.
macro_rules! client_before {
    () => {
        concat!("rdtsc\n", "shl rdx, 32\n", "or rdx, rax\n", "mov r13, rdx\n")
    };
}
/// The client's half after the kernel: stamps into RDX.
macro_rules! client_after {
    () => {
        concat!("rdtsc\n", "shl rdx, 32\n", "or rdx, rax\n")
    };
}

pub(crate) fn measure(plan: &Plan<'_>) {
    let (here, _) = client::cpus();
    let samples = exchange(plan, here, "fault_ipc_reply,fault_ipc_deliver");
    if let Some(samples) = samples {
        let (there, back) = user_ticks();
        samples.there.record("fault_ipc_deliver", there, 1);
        samples.back.record("fault_ipc_reply", back, 1);
    }
}

pub(crate) fn measure_cross(plan: &Plan<'_>) {
    let (_, Some(other)) = client::cpus() else { return };
    let samples = exchange(plan, other, "fault_ipc_cross_round_trip*");
    if let Some(samples) = samples {
        let (there, back) = user_ticks();
        samples.there.record("fault_ipc_cross_deliver", there, 1);
        samples.back.record("fault_ipc_cross_reply", back, 1);
        samples.round_trip.record("fault_ipc_cross_round_trip", there + back, 1);
    }
}

/// A client that faults on that CPU, and its handler here.
fn exchange(plan: &Plan<'_>, cpu: u64, name: &str) -> Option<Directions> {
    // SAFETY: this is the first thread.
    let utcb = unsafe { first_utcb() };
    let (client, endpoint) = start(client::argument(FAULT, 0), cpu, &utcb);
    check!(set_fault_handler(client.thread, endpoint).is_ok(), "the handler is not bound");
    check!(resume_thread(client.thread).is_ok(), "the client does not start");
    let mut samples = Directions::new();
    for _ in 0..WARM_UP {
        reply_receive(endpoint);
    }
    for _ in 0..plan.rounds() {
        if plan.trace {
            trace::begin(name);
        }
        let next = reply_receive(endpoint);
        if plan.trace {
            trace::end();
        }
        check!(MessageTag::from_bits(next.tag).label() == MessageTag::FAULT, "tag {:#x}", next.tag);
        check!(read_fault_registers().is_ok(), "no registers");
        // R12: when it went on after the fault before; R13: when it faulted.
        let [_, _, faulted, resumed, ..] = utcb.registers().general;
        samples.push(next.after.wrapping_sub(faulted), resumed.wrapping_sub(next.before));
    }
    (!plan.trace).then_some(samples)
}

/// The program's own ticks there and back. The breakpoint instruction and SYSCALL are counted as executed: a `nop` stands
/// for each.
fn user_ticks() -> (u64, u64) {
    let (there, back): (u64, u64);
    #[cfg(target_os = "none")]
    // SAFETY: only the registers named are changed.
    unsafe {
        core::arch::asm!(
            client_before!(),
            "nop",
            server_after!(),
            "sub rax, r13",
            "mov r12, rax",
            server_before!(),
            "nop",
            client_after!(),
            "sub rdx, r14",
            number = const 0,
            out("rax") _, out("rdx") back, out("r8") _, out("r12") there, out("r13") _, out("r14") _, out("r15") _,
            options(nostack),
        );
    }
    #[cfg(not(target_os = "none"))]
    {
        (there, back) = (0, 0);
    }
    (there, back)
}

/// Faults by `int3` for ever, R13 and R12 telling when.
pub(crate) fn fault_for_ever() {
    #[cfg(target_os = "none")]
    // SAFETY: never returns, and uses no memory.
    unsafe {
        core::arch::asm!("2:", client_before!(), "int3", client_after!(), "mov r12, rdx", "jmp 2b", options(noreturn),);
    }
}
