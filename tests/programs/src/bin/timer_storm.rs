//! Timers that are set, cleared and fire at random on all CPUs: each setting fires once or is taken back, none is early,
//! none is lost. To be run as the first program; `settings=N` on the command line says how many in all.
//!
//! There are a number of timers for each CPU, in one table. A thread on each CPU sets and clears timers of all CPUs, picked
//! at random. For each timer it is counted how often it was set and how often a setting was taken back; in the end the two
//! must differ by what the kernel says that fired. The timers with odd places are one thread's each, mostly of another CPU: that thread
//! knows what to expect, and sees whether a firing is early.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::abi::TimerFirings;
use gatehouse_runtime::capability::Slot;
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::{MICROSECOND, SECOND, wait_until};
use gatehouse_runtime::timer::Timer;
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::message::first_utcb;
use programs::{check, cpus};

entry!(run);

const TIMERS_PER_CPU: usize = 128;
/// The most CPUs that take part.
const MAX_CPUS: usize = 16;
const MAX_TIMERS: usize = TIMERS_PER_CPU * MAX_CPUS;
/// The longest time that a timer is set to.
const LONGEST: u64 = 2000 * MICROSECOND;

/// One timer, and what was done with it.
struct Entry {
    slot: AtomicU64,
    set: AtomicU64,
    taken_back: AtomicU64,
}

static TIMERS: [Entry; MAX_TIMERS] =
    [const { Entry { slot: AtomicU64::new(0), set: AtomicU64::new(0), taken_back: AtomicU64::new(0) } }; MAX_TIMERS];
/// Timers in use.
static COUNT: AtomicU64 = AtomicU64::new(0);
/// Settings that each thread makes.
static SETTINGS: AtomicU64 = AtomicU64::new(0);
/// Firings that a thread has watched closely: seen to come, and compared with the clock.
static WATCHED: AtomicU64 = AtomicU64::new(0);

/// A random sequence (Marsaglia's xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn run(_argument: u64) -> u64 {
    let mut buffer = [0; 1024];
    let line = Kernel::command_line(&mut buffer).unwrap_or("");
    let wanted = line.split_whitespace().find_map(|word| word.strip_prefix("settings=")?.parse::<u64>().ok());
    let threads = (cpus() as usize).min(MAX_CPUS);
    let count = threads * TIMERS_PER_CPU;
    SETTINGS.store(wanted.unwrap_or(100_000).div_ceil(threads as u64), Ordering::Relaxed);
    COUNT.store(count as u64, Ordering::Relaxed);
    for (place, entry) in TIMERS[..count].iter().enumerate() {
        let timer = Timer::create((place / TIMERS_PER_CPU) as u64);
        let Ok(timer) = timer else { programs::wrong(file!(), format_args!("timer {place}: {timer:?}")) };
        entry.slot.store(timer.slot().number(), Ordering::Relaxed);
    }
    let start = Kernel::clock();
    let mut workers = [const { None }; MAX_CPUS];
    for (number, worker) in workers[..threads].iter_mut().enumerate() {
        let started = Thread::spawn(work, number as u64, number as u64);
        let Ok(started) = started else { programs::wrong(file!(), format_args!("thread {number}: {started:?}")) };
        *worker = Some(started);
    }
    for worker in workers.into_iter().flatten() {
        let status = worker.join(600 * SECOND);
        check!(status == Some(0), "a thread ended with {status:?}");
    }
    // What is set still fires within LONGEST; a lost one never does.
    let all_done = wait_until(20 * SECOND, || TIMERS[..count].iter().all(|entry| entry.missing() == 0));
    let nanoseconds = Kernel::clock() - start;
    let (mut set, mut taken_back, mut fired, mut latest) = (0, 0, 0, 0);
    for (place, entry) in TIMERS[..count].iter().enumerate() {
        check!(
            all_done || entry.missing() == 0,
            "timer {place}: {} settings neither fired nor taken back",
            entry.missing()
        );
        let TimerFirings { count, due, fired: moment } = entry.firings();
        check!(moment >= due, "timer {place} fired at {moment}, due at {due}");
        latest = (moment - due).max(latest);
        set += entry.set.load(Ordering::Relaxed);
        taken_back += entry.taken_back.load(Ordering::Relaxed);
        fired += count;
    }
    println!(
        "timer_storm: {set} settings of {count} timers on {threads} CPUs in {} ms: {fired} fired once, {taken_back} taken back, \
         none lost, none early of {} watched; latest of the last {} us",
        nanoseconds / 1_000_000,
        WATCHED.load(Ordering::Relaxed),
        latest / 1000
    );
    check!(fired > set / 10 && taken_back > set / 10, "the mixture of firings and cancellations tests nothing");
    0
}

impl Entry {
    fn timer(&self) -> Timer {
        Timer::from_slot(Slot::new(self.slot.load(Ordering::Relaxed)))
    }

    fn count(&self) -> u64 {
        self.timer().count().unwrap_or(u64::MAX)
    }

    fn firings(&self) -> TimerFirings {
        // SAFETY: only the first thread comes here.
        let utcb = unsafe { first_utcb() };
        self.timer().firings(&utcb).unwrap_or_default()
    }

    /// Settings that have neither fired nor been taken back; negative if something fired twice.
    fn missing(&self) -> i64 {
        let done = self.count() + self.taken_back.load(Ordering::Relaxed);
        self.set.load(Ordering::Relaxed) as i64 - done as i64
    }

    fn note(&self, was_set: bool) {
        self.taken_back.fetch_add(u64::from(was_set), Ordering::Relaxed);
    }
}

fn work(number: u64) -> u64 {
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ (number + 1) << 32);
    let count = COUNT.load(Ordering::Relaxed);
    let threads = count / TIMERS_PER_CPU as u64;
    // When the thread's own timers are due; 0 when they are not set, as far as it has seen.
    let mut dues = [0; TIMERS_PER_CPU / 2];
    let mut left = SETTINGS.load(Ordering::Relaxed);
    while left > 0 {
        if random.below(2) == 0 {
            let entry = &TIMERS[random.below(count / 2) as usize * 2];
            if random.below(3) == 0 {
                entry.note(entry.timer().cancel() == Ok(true));
                continue;
            }
            left -= 1;
            entry.set.fetch_add(1, Ordering::Relaxed);
            entry.note(entry.timer().set_after(random.below(LONGEST)) == Ok(true));
        } else {
            // Every thread's own are spread over all CPUs' timers.
            let own = random.below(TIMERS_PER_CPU as u64 / 2);
            let entry = &TIMERS[(own * threads + number) as usize * 2 + 1];
            let due = &mut dues[own as usize];
            left -= 1;
            set_own(entry, due, Kernel::clock() + random.below(LONGEST));
            if random.below(8) == 0 {
                // Watched closely: no other thread keeps this one from seeing the very moment.
                while *due != 0 && Kernel::clock() < *due + 10 * MICROSECOND {
                    look(entry, due);
                }
            }
        }
        if random.below(64) == 0 {
            // So that timers go off while nobody sets any.
            Kernel::sleep(random.below(LONGEST));
        }
    }
    0
}

/// Clears a timer of the thread's own, checks what came of it, and sets it again.
fn set_own(entry: &Entry, due: &mut u64, at: u64) {
    look(entry, due);
    if *due != 0 {
        entry.note(entry.timer().cancel() == Ok(true));
        // If it was not taken back it is firing at this moment.
        check!(wait_until(20 * SECOND, || entry.missing() == 0), "a setting is lost");
    }
    entry.set.fetch_add(1, Ordering::Relaxed);
    *due = at;
    entry.note(entry.timer().set_at(at) == Ok(true));
}

/// Compares a firing of the thread's own timer with the clock, if it has come.
fn look(entry: &Entry, due: &mut u64) {
    if *due == 0 {
        return;
    }
    // In this order: if it has fired, then before the clock is read.
    let missing = entry.missing();
    let now = Kernel::clock();
    check!(missing >= 0, "a setting fired twice");
    if missing == 0 {
        check!(now >= *due, "{} ns early", *due - now);
        WATCHED.fetch_add(1, Ordering::Relaxed);
        *due = 0;
    }
}
