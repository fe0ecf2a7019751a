//! A signal to a thread of another program that waits and is more urgent: from the signal until that thread is back in ring 3.

use gatehouse_runtime::abi::{DEFAULT_PRIORITY, MessageTag, SLOT_FIRST_FREE, SystemCall, rights};
use programs::check;
use programs::raw::control::set_priority;
use programs::raw::message::{call, copy_capability, first_utcb, receive, resume_thread};
use programs::raw::notification;

use crate::client::{self, WAIT};
use crate::exchange::{server_after, start};
use crate::plan::{Plan, WARM_UP};
use crate::samples::Samples;
use crate::trace;

pub(crate) const KEYS: &[&str] = &["notification_wake"];

/// The signaller's half before the kernel: stamps into RDX.
macro_rules! signaller_before {
    () => {
        concat!("rdtsc\n", "shl rdx, 32\n", "or rdx, rax\n", "mov eax, {number}\n")
    };
}

pub(crate) fn measure(plan: &Plan<'_>) {
    let (here, _) = client::cpus();
    // SAFETY: this is the first thread.
    let utcb = unsafe { first_utcb() };
    let (other, endpoint) = start(client::argument(WAIT, 0), here, &utcb);
    let there = notification::create();
    let Ok(there) = there else { programs::wrong(file!(), format_args!("no notification: {there:?}")) };
    let given = copy_capability(there, rights::RECEIVE, 0, other.program);
    check!(given == Ok(SLOT_FIRST_FREE), "what it waits for: {given:?}");
    let given = copy_capability(endpoint, rights::SEND, 0, other.program);
    check!(given == Ok(SLOT_FIRST_FREE + 1), "where it tells: {given:?}");
    check!(set_priority(other.thread, DEFAULT_PRIORITY + 1) == Ok(0), "it is not more urgent");
    check!(resume_thread(other.thread).is_ok(), "the other program does not start");
    let mut samples = Samples::new();
    for round in 0..WARM_UP + plan.rounds() {
        if plan.trace && round >= WARM_UP {
            trace::begin("notification_wake");
        }
        let signalled = signal(there);
        let told = receive(endpoint, MessageTag::default());
        let Ok(told) = told else { programs::wrong(file!(), format_args!("nothing is told: {told:?}")) };
        if round >= WARM_UP {
            samples.push(told.words[0].wrapping_sub(signalled));
        }
        // The reply lets it wait again; it is more urgent, and does so at once.
        let answered = programs::raw::message::reply(MessageTag::default(), [0; 4]);
        check!(answered.is_ok(), "{answered:?}");
    }
    if !plan.trace {
        samples.record("notification_wake", user_ticks(), 1);
    }
}

/// Signals, and answers the moment before.
fn signal(notification: u64) -> u64 {
    let signalled: u64;
    #[cfg(target_os = "none")]
    // SAFETY: Signal keeps all registers but RAX, RCX and R11.
    unsafe {
        core::arch::asm!(
            signaller_before!(),
            "syscall",
            number = const SystemCall::Signal as u64,
            in("rdi") notification, out("rdx") signalled, out("rax") _, out("rcx") _, out("r11") _,
            options(nostack),
        );
    }
    #[cfg(not(target_os = "none"))]
    {
        signalled = notification;
    }
    signalled
}

/// The programs' own ticks between the stamps; a `nop` stands for SYSCALL, which is counted as executed.
fn user_ticks() -> u64 {
    let ticks: u64;
    #[cfg(target_os = "none")]
    // SAFETY: only the registers named are changed.
    unsafe {
        core::arch::asm!(
            signaller_before!(),
            "mov r13, rdx",
            "nop",
            server_after!(),
            "sub rax, r13",
            // The copy of the stamp is not part of what is calibrated.
            "dec rax",
            number = const 0,
            out("rax") ticks, out("rdx") _, out("r8") _, out("r13") _, out("r15") _,
            options(nostack),
        );
    }
    #[cfg(not(target_os = "none"))]
    {
        ticks = 0;
    }
    ticks
}

/// Waits for a signal; answers the moment after.
fn wait() -> u64 {
    let after: u64;
    #[cfg(target_os = "none")]
    // SAFETY: the registers are those of the ABI; Wait writes to no memory.
    unsafe {
        core::arch::asm!(
            "syscall",
            server_after!(),
            inlateout("rax") SystemCall::Wait as u64 => after,
            inlateout("rdi") SLOT_FIRST_FREE => _,
            in("rsi") u64::MAX,
            out("rdx") _, out("r8") _, out("r9") _, out("r10") _, out("r15") _, out("rcx") _, out("r11") _,
            options(nostack),
        );
    }
    #[cfg(not(target_os = "none"))]
    {
        after = SystemCall::Wait as u64 ^ SLOT_FIRST_FREE;
    }
    after
}

/// Waits and tells for ever.
pub(crate) fn wait_for_ever() {
    loop {
        let after = wait();
        trace::end();
        if call(SLOT_FIRST_FREE + 1, MessageTag::new(0, 1), [after, 0, 0, 0]).is_err() {
            return;
        }
    }
}
