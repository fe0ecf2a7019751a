//! Threads that may run anywhere, all made on one CPU: every CPU gets work, and none sleeps while they wait. To be run as the first
//! program.
//!
//! Three times: when they are started, when they were gathered on one CPU and are let go, and when they are woken again and
//! again by one thread on one CPU. A thread counts the pieces of its work by the CPU on which it did them. What the kernel counted
//! goes into a record, with the shares: `{"busy_cpus": {"started": {"shares": [...], "placed": N, "given": N, "asked": N}, ...,
//! "waited_beside_idle": N}}`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::fmt::{self, Write as _};
use core::hint::black_box;
use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::abi::{ANY_CPU, CpuInformation, SLOT_OWN_PROGRAM};
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::SECOND;
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::affinity;
use programs::raw::debugger::open_thread;
use programs::raw::notification;
use programs::{check, cpus, delete};

entry!(run);

const THREADS: usize = 16;
/// The most CPUs whose shares are told apart.
const MOST_CPUS: usize = 64;
/// Pieces of work of each thread: together some slices.
const PIECES: u64 = 40;
/// What a piece is: passes of a loop.
const PASSES: u64 = 200_000;
/// How often each thread is woken, for one piece each time.
const WAKES: u64 = 12;

/// Pieces that were done, by the CPU.
static DONE: [AtomicU64; MOST_CPUS] = [const { AtomicU64::new(0) }; MOST_CPUS];
/// 0 until gathered threads have been let go.
static GATE: AtomicU64 = AtomicU64::new(0);
/// What those that are woken wait for, and signal when they have done a piece.
static WAKE: AtomicU64 = AtomicU64::new(0);
static DONE_ONE: AtomicU64 = AtomicU64::new(0);

fn run(_argument: u64) -> u64 {
    let count = cpus();
    check!(count as usize <= MOST_CPUS, "there are more than {MOST_CPUS} CPUs");
    let mut text = Text::default();
    let mut first = true;
    let phases: [(&str, fn()); 3] = [("started", started), ("gathered", gathered), ("woken", woken)];
    for (name, phase) in phases {
        let before = Counts::now(count);
        phase();
        let (shares, counts) = (take_shares(), Counts::now(count).since(&before));
        let shares = &shares[..count as usize];
        println!(
            "busy_cpus: {name}: {shares:?} pieces by CPU, {} threads placed, {} given, {} asked for",
            counts.placed, counts.given, counts.asked
        );
        let sum: u64 = shares.iter().sum();
        let expected = THREADS as u64 * if name == "woken" { WAKES } else { PIECES };
        check!(sum == expected, "{name}: {sum} pieces of {expected} were done");
        // How much each one does depends on what the host lets it do, unless time is counted.
        let at_work = shares.iter().filter(|share| **share > 0).count() as u64;
        check!(at_work * 2 >= count, "{name}: only {at_work} CPUs of {count} have done something: {shares:?}");
        let comma = if first { "" } else { ", " };
        first = false;
        let Counts { placed, given, asked, .. } = counts;
        check!(
            write!(
                text,
                "{comma}\"{name}\": {{\"shares\": {shares:?}, \"placed\": {placed}, \"given\": {given}, \"asked\": {asked}}}"
            )
            .is_ok(),
            "the record is too long"
        );
    }
    let longest = Counts::now(count).waited_beside_idle;
    check!(write!(text, ", \"waited_beside_idle\": {longest}").is_ok(), "the record is too long");
    let mut record = Text::default();
    check!(write!(record, "{{\"busy_cpus\": {{{}}}}}", text.as_str()).is_ok(), "the record is too long");
    check!(Kernel::record(record.as_str().as_bytes()).is_ok(), "no record");
    println!(
        "busy_cpus: {count} CPUs, longest row of slices at whose end threads waited beside a sleeping CPU: {longest}"
    );
    programs::finish(0)
}

/// One piece of work.
fn piece() {
    for pass in 0..PASSES {
        black_box(pass);
    }
    DONE[Kernel::cpu_number() as usize].fetch_add(1, Ordering::Relaxed);
}

fn work(_argument: u64) -> u64 {
    (0..PIECES).for_each(|_| piece());
    0
}

/// Threads that were started with this.
fn start(function: fn(u64) -> u64, cpu: u64) -> [Option<Thread>; THREADS] {
    let mut threads = [const { None }; THREADS];
    for (number, place) in threads.iter_mut().enumerate() {
        let thread = Thread::spawn(function, number as u64, cpu);
        let Ok(thread) = thread else { programs::wrong(file!(), format_args!("thread {number}: {thread:?}")) };
        *place = Some(thread);
    }
    threads
}

fn join(threads: [Option<Thread>; THREADS]) {
    for thread in threads.into_iter().flatten() {
        let status = thread.join(600 * SECOND);
        check!(status == Some(0), "a thread ended with {status:?}");
    }
}

/// They may run anywhere from the beginning.
fn started() {
    join(start(work, ANY_CPU));
}

/// They are all ready on this CPU, and may leave one after the other.
fn gathered() {
    let here = Kernel::cpu_number();
    let threads = start(
        |argument| {
            while GATE.load(Ordering::Relaxed) == 0 {
                Kernel::yield_now();
            }
            work(argument)
        },
        here,
    );
    for thread in threads.iter().flatten() {
        let slot = open_thread(SLOT_OWN_PROGRAM, thread.number());
        let Ok(slot) = slot else { programs::wrong(file!(), format_args!("no capability: {slot:?}")) };
        check!(affinity::allow_every_cpu(slot) == Ok(0), "a thread is not let go");
        delete(slot);
    }
    GATE.store(1, Ordering::Relaxed);
    join(threads);
}

/// They wait, and are woken from this CPU.
fn woken() {
    let (Ok(wake), Ok(done)) = (notification::create(), notification::create()) else {
        programs::wrong(file!(), format_args!("no notifications"))
    };
    WAKE.store(wake, Ordering::Relaxed);
    DONE_ONE.store(done, Ordering::Relaxed);
    let threads = start(
        |_| {
            for _ in 0..WAKES {
                if notification::wait(WAKE.load(Ordering::Relaxed)).is_err() {
                    return 1;
                }
                piece();
                if notification::signal(DONE_ONE.load(Ordering::Relaxed)).is_err() {
                    return 2;
                }
            }
            0
        },
        ANY_CPU,
    );
    let pieces = || DONE.iter().map(|done| done.load(Ordering::Relaxed)).sum::<u64>();
    let mut signals = 0;
    while pieces() < THREADS as u64 * WAKES {
        // As many at a time as there are threads: bits that nobody waits for yet are one bit.
        for _ in 0..THREADS {
            signals += u64::from(notification::signal(wake).is_ok());
        }
        check!(signals < 1_000_000, "the threads do not work");
        let _bits = notification::wait_for(done, SECOND / 100);
    }
    join(threads);
    delete(wake);
    delete(done);
}

fn take_shares() -> [u64; MOST_CPUS] {
    DONE.each_ref().map(|done| done.swap(0, Ordering::Relaxed))
}

/// What the kernel has counted on all CPUs together.
#[derive(Clone, Copy, Default)]
struct Counts {
    placed: u64,
    given: u64,
    asked: u64,
    waited_beside_idle: u64,
}

impl Counts {
    fn now(cpus: u64) -> Self {
        (0..cpus).fold(Self::default(), |sum, cpu| {
            let information = Kernel::cpu_information(cpu);
            let Ok(CpuInformation { threads_placed, threads_given, threads_asked, waited_beside_idle, .. }) =
                information
            else {
                programs::wrong(file!(), format_args!("CPU {cpu}: {information:?}"))
            };
            Self {
                placed: sum.placed + threads_placed,
                given: sum.given + threads_given,
                asked: sum.asked + threads_asked,
                waited_beside_idle: sum.waited_beside_idle.max(waited_beside_idle),
            }
        })
    }

    fn since(self, before: &Self) -> Self {
        Self {
            placed: self.placed - before.placed,
            given: self.given - before.given,
            asked: self.asked - before.asked,
            waited_beside_idle: self.waited_beside_idle,
        }
    }
}

/// Text that is being put together.
struct Text {
    bytes: [u8; 4096],
    length: usize,
}

impl Default for Text {
    fn default() -> Self {
        Self { bytes: [0; 4096], length: 0 }
    }
}

impl Text {
    fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.length]).unwrap_or("")
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}
