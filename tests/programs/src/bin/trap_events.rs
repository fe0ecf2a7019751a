//! A first program that has traps raised that the kernel handles by itself, while a program runs and while the kernel idles,
//! and sees that everything goes on. Writes what it saw as records, for the table of traps in the book. To be booted on two
//! CPUs, with the word `test-hooks`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::abi::{
    CpuInformation, Error, SLOT_OWN_PROGRAM, SystemCall, TestHook, ThreadInformation, ThreadState,
};
use gatehouse_runtime::entry_point::{EntryPoint, Int80, Syscall};
use gatehouse_runtime::test_hook::test_hook;
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::{MILLISECOND, SECOND, wait_until};
use gatehouse_runtime::{Kernel, entry};
use programs::raw::debugger::{clear_breakpoint, list_threads, open_thread};
use programs::{UNMAPPED, check, record_trap_event, wrong};

entry!(run);

/// The CPU where things happen; this program's first thread stays on CPU 0.
const THERE: u64 = 1;
/// A vector of a device's.
const DEVICE_VECTOR: u64 = 0x30;
/// #NM and NMI.
const DEVICE_NOT_AVAILABLE: usize = 7;
const NMI: usize = 2;
const PATIENCE: u64 = 20 * SECOND;

/// Rounds of the thread that never enters the kernel by itself.
static ROUNDS: AtomicU64 = AtomicU64::new(0);
/// Tells it to end.
static STOP: AtomicU64 = AtomicU64::new(0);

fn there() -> CpuInformation {
    match Kernel::cpu_information(THERE) {
        Ok(information) => information,
        Err(error) => wrong(file!(), format_args!("no CPU {THERE}: {error:?}")),
    }
}

/// Does something, and records whether the count went up and the CPU runs threads still.
fn counted(event: &'static str, count: fn(&CpuInformation) -> u64, raise: impl FnOnce()) {
    let before = count(&there());
    raise();
    check!(wait_until(PATIENCE, || count(&there()) > before), "{event}: not counted");
    record_trap_event(event, if goes_on() { "counted; goes on" } else { "counted; nothing goes on" });
}

/// Whether the CPU still runs: the thread there that never enters the kernel, or, if there is none, a new one.
fn goes_on() -> bool {
    if STOP.load(Ordering::Relaxed) != 0 {
        return Thread::spawn(|_| 5, 0, THERE).is_ok_and(|thread| thread.join(PATIENCE) == Some(5));
    }
    let rounds = ROUNDS.load(Ordering::Relaxed);
    wait_until(PATIENCE, || ROUNDS.load(Ordering::Relaxed) > rounds)
}

fn start(function: fn(u64) -> u64) -> Thread {
    match Thread::spawn(function, 0, THERE) {
        Ok(thread) => thread,
        Err(error) => wrong(file!(), format_args!("no thread: {error:?}")),
    }
}

fn ends(thread: Thread) {
    check!(thread.join(PATIENCE) == Some(0), "a thread does not end well");
}

fn spin(_argument: u64) -> u64 {
    while STOP.load(Ordering::Relaxed) == 0 {
        ROUNDS.fetch_add(1, Ordering::Relaxed);
        core::hint::spin_loop();
    }
    0
}

fn send(hook: TestHook, vector: u64) {
    // SAFETY: an interrupt changes no memory of this program.
    let sent = unsafe { test_hook(hook, vector | THERE << 32) };
    check!(sent.is_ok(), "{hook:?}: {sent:?}");
}

fn run(_argument: u64) -> u64 {
    let spinner = start(spin);
    check!(goes_on(), "the thread does not run");
    counted("IPI in a program", |cpu| cpu.ipi, || ends(start(|_| 0)));
    counted("device in a program", |cpu| cpu.device, || send(TestHook::Interrupt, DEVICE_VECTOR));
    counted("NMI in a program", |cpu| cpu.exceptions[NMI], || send(TestHook::NonMaskableInterrupt, 0));
    // A second thread that never enters the kernel makes the timer end time slices.
    let second = start(spin);
    counted("timer in a program", |cpu| cpu.timer, || ());
    STOP.store(1, Ordering::Relaxed);
    ends(spinner);
    ends(second);

    // Now nothing runs there: the kernel idles.
    counted("IPI in the kernel", |cpu| cpu.ipi, || ends(start(|_| 0)));
    counted("device in the kernel", |cpu| cpu.device, || send(TestHook::Interrupt, DEVICE_VECTOR));
    counted("NMI in the kernel", |cpu| cpu.exceptions[NMI], || send(TestHook::NonMaskableInterrupt, 0));
    counted(
        "timer in the kernel",
        |cpu| cpu.timer,
        || {
            ends(start(|_| {
                Kernel::sleep(10 * MILLISECOND);
                0
            }));
        },
    );

    counted(
        "first use of the floating-point unit",
        |cpu| cpu.exceptions[DEVICE_NOT_AVAILABLE],
        || {
            ends(start(use_floating_point));
        },
    );
    breakpoint_that_is_cleared();
    single_step_in_the_kernel();
    system_calls();
    user_copies();
    0
}

fn use_floating_point(_argument: u64) -> u64 {
    #[cfg(target_os = "none")]
    // SAFETY: FNOP changes nothing but what the last instruction of the unit was.
    unsafe {
        core::arch::asm!("fnop", options(nostack));
    }
    0
}

/// A thread stops at `int3` until this one, on another CPU, clears its breakpoint.
fn breakpoint_that_is_cleared() {
    let stopped = start(stop_at_breakpoint);
    let number = stopped.number();
    let is_paused = || {
        let mut threads = [ThreadInformation::default(); 4];
        let count = list_threads(SLOT_OWN_PROGRAM, &mut threads).unwrap_or(0) as usize;
        let paused = |thread: &ThreadInformation| thread.state == ThreadState::Paused as u64;
        threads.iter().take(count).any(|thread| thread.number == number && paused(thread))
    };
    let paused = wait_until(PATIENCE, is_paused);
    let cleared = open_thread(SLOT_OWN_PROGRAM, number).and_then(clear_breakpoint);
    let ended = cleared.is_ok() && stopped.join(PATIENCE) == Some(0);
    record_trap_event(
        "breakpoint that is cleared",
        if paused && ended { "paused; goes on" } else { "not paused, or for ever" },
    );
}

fn stop_at_breakpoint(_argument: u64) -> u64 {
    #[cfg(target_os = "none")]
    // SAFETY: the thread goes on behind the instruction with all its registers.
    unsafe {
        core::arch::asm!("int3", options(nostack));
    }
    0
}

fn single_step_in_the_kernel() {
    // SAFETY: it changes no memory.
    let answer = unsafe { test_hook(TestHook::SingleStep, 0) };
    record_trap_event("single step in the kernel", if answer == Ok(0) { "ignored; goes on" } else { "not ignored" });
}

fn system_calls() {
    // SAFETY: Clock takes no address, and its answer is never an error.
    let (first, second) = unsafe { (Syscall::call(SystemCall::Clock, [0; 6]), Int80::call(SystemCall::Clock, [0; 6])) };
    let result = 0 < first && first < second && second < PATIENCE * 1000;
    record_trap_event("system call", if result { "handled; result in RAX" } else { "no result" });
}

/// The kernel reaches a program's memory for it, at addresses that are not mapped.
fn user_copies() {
    let answers = [
        // SAFETY: the kernel only reads.
        unsafe { Syscall::call(SystemCall::DebugWrite, [UNMAPPED, 8, 0, 0, 0, 0]) },
        // SAFETY: nothing is mapped there.
        unsafe { Syscall::call(SystemCall::Information, [0, 0, UNMAPPED, 4096, 0, 0]) },
    ];
    let refused = answers.iter().all(|answer| Error::from_register(*answer) == Err(Error::BadAddress));
    record_trap_event(
        "user copy at an unmapped page",
        if refused { "error to the caller; goes on" } else { "no error" },
    );
}
