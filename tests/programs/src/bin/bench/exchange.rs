//! The server's side of an exchange: one ReplyReceive between two stamps.
//!
//! Client and server stamp on their own sides; under an instruction count the time-stamp counters of all CPUs are one. The
//! program's own instructions between the stamps are calibrated by the same instructions without the kernel between.

use gatehouse_runtime::abi::{MessageTag, SystemCall};
use programs::check;
use programs::raw::message::{Suspended, Utcb, create_endpoint, spawn_suspended};

use crate::plan::{Plan, WARM_UP};
use crate::samples::Samples;
use crate::trace;

/// Stamps into R14, and gets ready for the system call: the server's half before the kernel.
macro_rules! server_before {
    () => {
        concat!("rdtsc\n", "shl rdx, 32\n", "or rdx, rax\n", "mov r14, rdx\n", "mov eax, {number}\n")
    };
}
/// Stamps into RAX: the server's half after the kernel.
macro_rules! server_after {
    () => {
        concat!("mov r15, rax\n", "mov r8, rdx\n", "rdtsc\n", "shl rdx, 32\n", "or rax, rdx\n")
    };
}
pub(crate) use {server_after, server_before};

/// What the server's side of an exchange was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamped {
    /// Before the system call.
    pub(crate) before: u64,
    /// After it.
    pub(crate) after: u64,
    /// The message's tag.
    pub(crate) tag: u64,
    /// Its first two words.
    pub(crate) words: [u64; 2],
}

/// [`SystemCall::ReplyReceive`] with no words between two stamps.
pub(crate) fn reply_receive(endpoint: u64) -> Stamped {
    let (before, after, tag, first, second): (u64, u64, u64, u64, u64);
    #[cfg(target_os = "none")]
    // SAFETY: the registers are those of the ABI; the kernel writes to this thread's UTCB besides and to nothing else.
    unsafe {
        core::arch::asm!(
            server_before!(),
            "syscall",
            server_after!(),
            number = const SystemCall::ReplyReceive as u64,
            inlateout("rdi") endpoint => _,
            in("rsi") MessageTag::default().to_bits(),
            out("rax") after, out("rdx") _, out("r14") before, out("r15") tag, out("r8") first, out("r10") second,
            out("r9") _, out("rcx") _, out("r11") _,
            options(nostack),
        );
    }
    #[cfg(not(target_os = "none"))]
    {
        let _ = SystemCall::ReplyReceive as u64;
        (before, after, tag, first, second) = (endpoint, 0, MessageTag::default().to_bits(), 0, 0);
    }
    Stamped { before, after, tag, words: [first, second] }
}

/// Samples of both directions.
pub(crate) struct Directions {
    /// From the client's stamp to the server's.
    pub(crate) there: Samples,
    /// From the server's stamp to the client's.
    pub(crate) back: Samples,
    /// Their sum, in one round.
    pub(crate) round_trip: Samples,
}

impl Directions {
    /// None yet.
    pub(crate) const fn new() -> Self {
        Self { there: Samples::new(), back: Samples::new(), round_trip: Samples::new() }
    }

    /// Adds a round.
    pub(crate) fn push(&mut self, there: u64, back: u64) {
        self.there.push(there);
        self.back.push(back);
        self.round_trip.push(there + back);
    }
}

/// Serves as many rounds as planned. `stamps` answers when the client called, and when it went on after the call before.
pub(crate) fn rounds(
    plan: &Plan<'_>,
    endpoint: u64,
    name: &str,
    stamps: impl Fn(&Stamped) -> [u64; 2],
) -> Option<Directions> {
    for _ in 0..WARM_UP {
        reply_receive(endpoint);
    }
    let mut samples = Directions::new();
    for _ in 0..plan.rounds() {
        if plan.trace {
            trace::begin(name);
        }
        let next = reply_receive(endpoint);
        if plan.trace {
            trace::end();
        }
        let [called, resumed] = stamps(&next);
        samples.push(next.after.wrapping_sub(called), resumed.wrapping_sub(next.before));
    }
    (!plan.trace).then_some(samples)
}

/// This program again, in a role, on a CPU, not running yet; and an endpoint.
pub(crate) fn start(argument: u64, cpu: u64, utcb: &Utcb) -> (Suspended, u64) {
    let client = spawn_suspended("bench", argument, cpu, utcb);
    let endpoint = create_endpoint();
    let (Ok(client), Ok(endpoint)) = (client, endpoint) else {
        check!(false, "no client or no endpoint: {client:?} {endpoint:?}");
        unreachable!("`check!` ends the program")
    };
    (client, endpoint)
}
