//! A fault as a message: from the fault to the handler, and from the reply to the thread that goes on. By a breakpoint
//! instruction, which goes on behind itself.

use gatehouse_runtime::abi::{MessageTag, SLOT_FIRST_FREE, rights};
use programs::check;
use programs::raw::message::{
    call, copy_capability, create_endpoint, first_utcb, read_fault_registers, receive, resume_thread,
    set_fault_handler, spawn_suspended,
};

use crate::client::{self, FAULT, HANDLE};
use crate::exchange::{Directions, reply_receive, rounds, server_after, server_before, start};
use crate::plan::{Plan, TRACED, WARM_UP};
use crate::trace;

pub(crate) const KEYS: &[&str] = &["fault_ipc_deliver", "fault_ipc_reply"];
pub(crate) const LINES_KEYS: &[&str] = &["local_fault"];
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
    let samples = exchange(plan, other, "fault_ipc_cross_round_trip*fault_ipc_cross_reply,fault_ipc_cross_deliver");
    if let Some(samples) = samples {
        let (there, back) = user_ticks();
        samples.there.record("fault_ipc_cross_deliver", there, 1);
        samples.back.record("fault_ipc_cross_reply", back, 1);
        samples.round_trip.record("fault_ipc_cross_round_trip", there + back, 1);
    }
}

/// A client and a handler program on each of two CPUs, for the host to see which memory each CPU writes.
pub(crate) fn show_lines(plan: &Plan<'_>) {
    let (here, Some(other)) = client::cpus() else { return };
    if !plan.trace {
        return;
    }
    // SAFETY: this is the first thread.
    let utcb = unsafe { first_utcb() };
    let done = create_endpoint();
    check!(done.is_ok(), "{done:?}");
    let Ok(done) = done else { return };
    for cpu in [here, other] {
        let (client, endpoint) = start(client::argument(FAULT, 0), cpu, &utcb);
        let handler = spawn_suspended("bench", client::argument(HANDLE, 0), cpu, &utcb);
        check!(handler.is_ok(), "no handler: {handler:?}");
        let Ok(handler) = handler else { return };
        let given = copy_capability(endpoint, rights::RECEIVE, 0, handler.program);
        check!(given == Ok(SLOT_FIRST_FREE), "the handler's endpoint: {given:?}");
        let given = copy_capability(done, rights::SEND, 0, handler.program);
        check!(given == Ok(SLOT_FIRST_FREE + 1), "the handler's second endpoint: {given:?}");
        check!(set_fault_handler(client.thread, endpoint).is_ok(), "the handler is not bound");
        let resumed = (resume_thread(client.thread), resume_thread(handler.thread));
        check!(matches!(resumed, (Ok(_), Ok(_))), "{resumed:?}");
        let told = receive(done, MessageTag::default());
        check!(told.is_ok(), "the handler on CPU {cpu}: {told:?}");
    }
}

/// Handles some faults, the last ones between marks. Does not end: its memory must not become another's.
pub(crate) fn handle_some() {
    for round in 0..WARM_UP + TRACED {
        if round >= WARM_UP {
            trace::begin("local_fault*");
        }
        reply_receive(SLOT_FIRST_FREE);
        if round >= WARM_UP {
            trace::end();
        }
    }
    let _ = call(SLOT_FIRST_FREE + 1, MessageTag::default(), [0; 4]);
}

/// A client that faults on that CPU, and its handler here.
fn exchange(plan: &Plan<'_>, cpu: u64, name: &str) -> Option<Directions> {
    // SAFETY: this is the first thread.
    let utcb = unsafe { first_utcb() };
    let (client, endpoint) = start(client::argument(FAULT, 0), cpu, &utcb);
    check!(set_fault_handler(client.thread, endpoint).is_ok(), "the handler is not bound");
    check!(resume_thread(client.thread).is_ok(), "the client does not start");
    rounds(plan, endpoint, name, |next| {
        check!(MessageTag::from_bits(next.tag).label() == MessageTag::FAULT, "tag {:#x}", next.tag);
        check!(read_fault_registers().is_ok(), "no registers");
        // R12: when it went on after the fault before; R13: when it faulted.
        let [_, _, faulted, resumed, ..] = utcb.registers().general;
        [faulted, resumed]
    })
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
