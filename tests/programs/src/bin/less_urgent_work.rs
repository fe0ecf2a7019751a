//! What an unprivileged thread on CPU 1 can make CPU 0 do, where a thread of the highest priority runs, by calls that need no right
//! over it: each kind of call is made as fast as it can be for a while, and the urgent thread compares how far it gets with what it
//! does beside a thread that calls nothing. To be run as the first program on three CPUs, in counted time: the third one's timer
//! has the emulator change from CPU to CPU often enough.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::abi::{PRIORITIES, SLOT_OWN_PROGRAM, ThreadState};
use gatehouse_runtime::capability::Slot;
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::{MILLISECOND, SECOND, wait_until};
use gatehouse_runtime::timer::Timer;
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::affinity::{self, CpuSet};
use programs::raw::control::{set_priority, suspend_thread};
use programs::raw::debugger::open_thread;
use programs::raw::message::{SELF, resume_thread};
use programs::raw::notification;
use programs::waiting::until_thread;
use programs::{check, ok};

entry!(run);

/// How long each kind of call is made.
const WINDOW: u64 = 200 * MILLISECOND;
/// How long a CPU's turn is, at most.
const TURN: u64 = 20_000;
/// Timers that are set in turn.
const TIMERS: usize = 1200;
/// Threads that are ready on CPU 0 beside the urgent one, and do not run as long as it does.
const READY: u64 = 3900;
/// Of the time that the urgent thread has beside a thread that calls nothing, what it keeps at least, in percent.
const KEPT: u64 = 90;
/// Interrupts of CPU 0 in a millisecond, at most, by calls that do not wait for its answer.
const INTERRUPTS: u64 = 80;

/// Which calls are being made: an index of [`KINDS`] and 1; 0 for none.
static KIND: AtomicU64 = AtomicU64::new(0);
/// Calls made.
static CALLS: AtomicU64 = AtomicU64::new(0);
/// The kind whose attacker has come to rest.
static RESTING: AtomicU64 = AtomicU64::new(0);
/// A thread that is ready on CPU 0, by capability.
static READY_THREAD: AtomicU64 = AtomicU64::new(0);
/// A notification that a less urgent thread of CPU 0 waits for.
static NOTIFICATION: AtomicU64 = AtomicU64::new(0);

/// What one attacker does again and again.
type Call = fn(u64, &[Timer]);

/// The call that waits for CPU 0 each time.
const PING: &str = "PingCpu";

/// Those come last whose threads leave for the attacker's CPU.
const KINDS: [(&str, Call); 10] = [
    ("nothing", |count, _| {
        core::hint::black_box(count);
    }),
    ("Null", |_, _| check!(Kernel::null().is_ok(), "Null fails")),
    ("SetTimer, 1200 timers, now", |count, timers| set(&timers[count as usize % timers.len()], 0)),
    ("SetTimer, 16 timers, now", |count, timers| set(&timers[count as usize % 16], 0)),
    ("SetTimer, one timer, soon", |_, timers| set(&timers[0], 2_000)),
    ("SuspendThread, ResumeThread", |_, _| {
        let thread = READY_THREAD.load(Ordering::Relaxed);
        let answers = (suspend_thread(thread), resume_thread(thread));
        check!(answers == (Ok(0), Ok(0)), "SuspendThread and ResumeThread: {answers:?}");
    }),
    ("Signal", |_, _| check!(notification::signal(NOTIFICATION.load(Ordering::Relaxed)) == Ok(0), "Signal fails")),
    (PING, |_, _| check!(Kernel::ping_cpu(0).is_ok(), "PingCpu fails")),
    ("SetAffinity, to and fro", |count, _| allow(&[count % 2])),
    ("SetAffinity, may leave", |count, _| allow(&[0, count % 2])),
];

fn allow(cpus: &[u64]) {
    let answer = affinity::set(READY_THREAD.load(Ordering::Relaxed), &CpuSet::<1>::of(cpus));
    check!(answer == Ok(0), "SetAffinity: {answer:?}");
}

fn set(timer: &Timer, nanoseconds: u64) {
    let answer = timer.set_after(nanoseconds);
    check!(answer.is_ok(), "SetTimer: {answer:?}");
}

fn run(_argument: u64) -> u64 {
    check!(Kernel::move_to_cpu(0) == Ok(0), "CPU 0 cannot be reached");
    check!(set_priority(SELF, *PRIORITIES.end()) == Ok(0), "not urgent");
    NOTIFICATION.store(ok("a notification", notification::create()), Ordering::Relaxed);
    let attacker = ok("an attacker on CPU 1", Thread::spawn(attack, 0, 1));
    let metronome = ok("a thread on CPU 2", Thread::spawn(divide_time, 0, 2));
    let waiter = ok("a waiter on CPU 0", Thread::spawn(wait_for_signals, 0, 0));
    until_thread(waiter.number(), ThreadState::AtNotification);
    for _ in 0..READY {
        make_ready_thread();
    }
    let mut alone = 0;
    let mut failed = 0;
    for (kind, (name, _)) in (1..).zip(KINDS) {
        let interrupts = || ok("CPU 0", Kernel::cpu_information(0).map(|cpu| cpu.ipi + cpu.timer));
        // One for each kind: they may leave.
        let thread = open_thread(SLOT_OWN_PROGRAM, make_ready_thread());
        READY_THREAD.store(ok("a capability of a ready thread", thread), Ordering::Relaxed);
        KIND.store(kind, Ordering::SeqCst);
        CALLS.store(0, Ordering::SeqCst);
        let (before, start) = (interrupts(), Kernel::clock());
        let steps = steps_in_window();
        let (calls, came) = (CALLS.load(Ordering::SeqCst), interrupts() - before);
        let milliseconds = (Kernel::clock() - start).div_ceil(MILLISECOND);
        KIND.store(0, Ordering::SeqCst);
        let rests = wait_busily(20 * SECOND, || RESTING.load(Ordering::SeqCst) == kind);
        check!(rests, "{name}: the attacker does not come to rest");
        if kind == 1 {
            alone = steps;
        }
        let share = steps * 100 / alone;
        println!("less_urgent_work: {name}: {share} % kept, {calls} calls, {came} interrupts in {milliseconds} ms");
        let waits = name == PING;
        failed += u64::from(share < KEPT || !waits && came > INTERRUPTS * milliseconds);
    }
    check!(failed == 0, "{failed} kinds of calls take too much of CPU 0");
    drop((attacker, metronome, waiter));
    programs::finish(0)
}

/// Starts a thread on this CPU, which does not come to run; answers its number.
fn make_ready_thread() -> u64 {
    // SAFETY: the function uses no stack.
    let thread = unsafe { Kernel::spawn_thread(spin as *const () as u64, 0x10000, 0, 0, (0, 0)) };
    ok("a ready thread", thread)
}

/// Steps of a fixed length that this thread does in [`WINDOW`].
fn steps_in_window() -> u64 {
    let end = Kernel::clock() + WINDOW;
    let mut steps = 0;
    while Kernel::clock() < end {
        for step in 0..5_000_u64 {
            core::hint::black_box(step);
        }
        steps += 1;
    }
    steps
}

/// Like [`wait_until`], and never off the CPU.
fn wait_busily(nanoseconds: u64, condition: impl Fn() -> bool) -> bool {
    let end = Kernel::clock() + nanoseconds;
    while !condition() {
        if Kernel::clock() > end {
            return false;
        }
    }
    true
}

fn attack(_argument: u64) -> u64 {
    let mut timers = [const { Timer::from_slot(Slot::NONE) }; TIMERS];
    timers.fill_with(|| ok("a timer for CPU 0", Timer::create(0)));
    loop {
        if !wait_until(60 * SECOND, || KIND.load(Ordering::SeqCst) != 0) {
            return 0;
        }
        let kind = KIND.load(Ordering::SeqCst);
        let call = KINDS[kind as usize - 1].1;
        let mut count = 0;
        while KIND.load(Ordering::SeqCst) == kind {
            call(count, &timers);
            count += 1;
            CALLS.store(count, Ordering::SeqCst);
        }
        RESTING.store(kind, Ordering::SeqCst);
    }
}

/// Sleeps again and again.
fn divide_time(_argument: u64) -> u64 {
    loop {
        // The wake-ups are what it is for.
        Kernel::sleep(TURN);
    }
}

fn wait_for_signals(_argument: u64) -> u64 {
    while notification::wait(NOTIFICATION.load(Ordering::Relaxed)).is_ok() {}
    0
}

/// A thread that needs no stack.
#[unsafe(naked)]
extern "C" fn spin() -> ! {
    core::arch::naked_asm!("2: pause", "jmp 2b")
}
