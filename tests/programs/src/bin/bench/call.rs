//! A call without a message's words in memory, and the reply: Call and ReplyReceive.

use gatehouse_runtime::abi::{Error, MessageTag, SLOT_FIRST_FREE, SystemCall, rights};
use programs::check;
use programs::raw::message::{copy_capability, first_utcb, resume_thread};

use crate::client::{self, CALL};
use crate::exchange::{Directions, rounds, server_after, server_before, start};
use crate::plan::Plan;

pub(crate) const KEYS: &[&str] = &["call", "reply_receive"];
pub(crate) const CROSS_KEYS: &[&str] = &["call_cross_round_trip", "call_cross", "reply_receive_cross"];

/// The client's half before the kernel: stamps into RDX, which is the first word of the message; the second is R10.
macro_rules! client_before {
    () => {
        concat!(
            "rdtsc\n",
            "shl rdx, 32\n",
            "or rdx, rax\n",
            "mov r10, r12\n",
            "mov edi, {slot}\n",
            "mov esi, {tag}\n",
            "mov eax, {call}\n",
        )
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
    if let Some(samples) = exchange(plan, here, "reply_receive,call") {
        let (there, back) = user_ticks();
        samples.there.record("call", there, 1);
        samples.back.record("reply_receive", back, 1);
    }
}

pub(crate) fn measure_cross(plan: &Plan<'_>) {
    let (_, Some(other)) = client::cpus() else { return };
    if let Some(samples) = exchange(plan, other, "call_cross_round_trip*reply_receive_cross,call_cross") {
        let (there, back) = user_ticks();
        samples.there.record("call_cross", there, 1);
        samples.back.record("reply_receive_cross", back, 1);
        samples.round_trip.record("call_cross_round_trip", there + back, 1);
    }
}

/// A client that calls on that CPU, and its server here.
fn exchange(plan: &Plan<'_>, cpu: u64, name: &str) -> Option<Directions> {
    // SAFETY: this is the first thread.
    let utcb = unsafe { first_utcb() };
    let (client, endpoint) = start(client::argument(CALL, 0), cpu, &utcb);
    let given = copy_capability(endpoint, rights::SEND, 7, client.program);
    check!(given == Ok(SLOT_FIRST_FREE), "the client's capability: {given:?}");
    check!(resume_thread(client.thread).is_ok(), "the client does not start");
    rounds(plan, endpoint, name, |next| {
        check!(Error::from_register(next.tag).is_ok(), "tag {:#x}", next.tag);
        next.words
    })
}

/// The program's own ticks there and back; a `nop` stands for each SYSCALL, which is counted as executed.
fn user_ticks() -> (u64, u64) {
    let (there, back): (u64, u64);
    #[cfg(target_os = "none")]
    // SAFETY: only the registers named are changed.
    unsafe {
        core::arch::asm!(
            client_before!(),
            "mov r13, rdx",
            "nop",
            server_after!(),
            "sub rax, r13",
            // The copy of the stamp is not part of what is calibrated.
            "dec rax",
            "mov r12, rax",
            server_before!(),
            "nop",
            client_after!(),
            "sub rdx, r14",
            number = const 0,
            slot = const 0,
            tag = const 0,
            call = const 0,
            out("rax") _, out("rdx") back, out("rdi") _, out("rsi") _, out("r8") _, out("r10") _, out("r12") there,
            out("r13") _, out("r14") _, out("r15") _,
            options(nostack),
        );
    }
    #[cfg(not(target_os = "none"))]
    {
        (there, back) = (0, 0);
    }
    (there, back)
}

/// Calls for ever with the moment of the call, and the moment at which it went on after the one before.
pub(crate) fn call_for_ever() {
    #[cfg(target_os = "none")]
    // SAFETY: never returns; the kernel writes to this thread's UTCB and to nothing else.
    unsafe {
        core::arch::asm!(
            "xor r12d, r12d",
            "2:",
            client_before!(),
            "syscall",
            client_after!(),
            "mov r12, rdx",
            "jmp 2b",
            slot = const SLOT_FIRST_FREE,
            tag = const MessageTag::new(1, 2).to_bits(),
            call = const SystemCall::Call as u64,
            options(noreturn),
        );
    }
}
