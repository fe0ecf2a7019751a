//! What the machine does in a second, with several CPUs at once: `bench=throughput`. Figures are times of the host's, for
//! ratios within one run.

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::abi::{Error, MessageTag, REPLY_KILL, REPLY_RESUME, TrapNumber, rights};
use gatehouse_runtime::memory::PAGE_SIZE;
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::{SECOND, wait_until};
use gatehouse_runtime::{Kernel, println};
use programs::raw::message::{
    copy_capability, create_endpoint, delete_capability, first_utcb, map_into, reply_receive, resume_thread,
    set_fault_handler, spawn_suspended,
};
use programs::{PAGED_REGION, check, cpus, unmap_range};
use serde::Serialize;

use crate::client::{self, FAULT_OFTEN, SHARE_PAGE};
use crate::shootdown;

/// Faults of a client in a round.
const FAULTS: u64 = 10_000;
/// Touches of the shared page by each thread in a round.
const TOUCHES: u64 = 500;
/// Rounds of everything that takes longer than a moment.
const ROUNDS: usize = 5;
/// Pings of a pair of CPUs, and pages that are taken away.
const SHORT_ROUNDS: usize = 51;
/// For how long a thread sleeps, in nanoseconds.
const SLEEPS: [u64; 3] = [100_000, 1_000_000, 10_000_000];
/// The most CPUs that are looked at.
const MOST_CPUS: usize = 16;
/// How long a client may take.
const LIMIT: u64 = 300 * SECOND;

static ENDPOINTS: [AtomicU64; MOST_CPUS] = [const { AtomicU64::new(0) }; MOST_CPUS];
/// The program capability of the clients that share a page.
static SHARER: AtomicU64 = AtomicU64::new(0);
/// Page faults that were resolved for them.
static RESOLVED: AtomicU64 = AtomicU64::new(0);

/// A record. `per` says what one of the samples, in nanoseconds, is the time of.
#[derive(Serialize)]
struct Throughput<'a> {
    kind: &'a str,
    layout: &'a str,
    cpus: u64,
    from: u64,
    to: u64,
    per: u64,
    samples: &'a [u64],
}

#[derive(Serialize)]
struct Line<'a> {
    throughput: Throughput<'a>,
}

fn record(throughput: Throughput<'_>) {
    println!("bench: {} {} on {} CPUs", throughput.kind, throughput.layout, throughput.cpus);
    let mut line = [0; 4096];
    let written = serde_json_core::to_slice(&Line { throughput }, &mut line);
    let Ok(length) = written else { programs::wrong(file!(), format_args!("a record is too long")) };
    let recorded = Kernel::record(&line[..length]);
    check!(recorded.is_ok(), "{recorded:?}");
}

pub(crate) fn run() {
    let count = (cpus() as usize).min(MOST_CPUS);
    for (number, place) in ENDPOINTS.iter().enumerate().take(count) {
        let Ok(endpoint) = create_endpoint() else { programs::wrong(file!(), format_args!("no endpoint")) };
        place.store(endpoint, Ordering::Relaxed);
        let started = Thread::spawn(serve, number as u64, number as u64);
        check!(started.is_ok(), "no handler {number}: {started:?}");
    }
    for clients in 1..=count {
        faults("local", clients, |cpu| cpu);
        faults("one handler", clients, |_| 0);
        share_page(clients);
    }
    pings(count as u64);
    sleeps(count as u64);
    shootdowns(count as u64);
}

/// Handles the faults of an endpoint: breakpoints go on, and pages in the region are mapped.
fn serve(number: u64) -> u64 {
    let endpoint = ENDPOINTS[number as usize].load(Ordering::Relaxed);
    let mut label = REPLY_RESUME;
    loop {
        let Ok(message) = reply_receive(endpoint, MessageTag::new(label, 0), [0; 4]) else { return 1 };
        let [cause, address, ..] = message.words;
        label = match TrapNumber::from_bits(cause) {
            TrapNumber::BREAKPOINT => REPLY_RESUME,
            TrapNumber::LOAD_PAGE_FAULT | TrapNumber::STORE_PAGE_FAULT => resolve(address),
            _ => REPLY_KILL,
        };
    }
}

fn resolve(address: u64) -> u16 {
    let page = address & !(PAGE_SIZE - 1);
    // Another thread's fault on the same page may have been resolved just before.
    match map_into(SHARER.load(Ordering::Relaxed), page, PAGE_SIZE) {
        Ok(_) => {
            RESOLVED.fetch_add(1, Ordering::Relaxed);
            REPLY_RESUME
        }
        Err(error) if error != Error::OutOfMemory => REPLY_RESUME,
        Err(_) => REPLY_KILL,
    }
}

/// Breakpoints on so many CPUs, each handled by the handler on the CPU that `handler` says.
fn faults(layout: &str, clients: usize, handler: fn(usize) -> usize) {
    // SAFETY: this is the first thread.
    let utcb = unsafe { first_utcb() };
    let mut samples = [0; ROUNDS];
    for sample in &mut samples {
        let mut started = [None; MOST_CPUS];
        for (cpu, place) in started.iter_mut().enumerate().take(clients) {
            let client = spawn_suspended("bench", client::argument(FAULT_OFTEN, FAULTS), cpu as u64, &utcb);
            let Ok(client) = client else { programs::wrong(file!(), format_args!("no client: {client:?}")) };
            let endpoint = ENDPOINTS[handler(cpu)].load(Ordering::Relaxed);
            check!(set_fault_handler(client.thread, endpoint).is_ok(), "the handler is not bound");
            *place = Some(client);
        }
        for client in started.iter().flatten() {
            check!(resume_thread(client.thread).is_ok(), "a client does not start");
        }
        *sample = longest(clients);
        for client in started.iter().flatten() {
            let gone = (delete_capability(client.thread), delete_capability(client.program));
            check!(matches!(gone, (Ok(_), Ok(_))), "{gone:?}");
        }
    }
    let per = FAULTS * clients as u64;
    record(Throughput { kind: "faults", layout, cpus: clients as u64, from: 0, to: 0, per, samples: &samples });
}

/// Waits for so many clients; the longest time that one of them says it took.
fn longest(clients: usize) -> u64 {
    let mut longest = 0;
    for _ in 0..clients {
        let end = Kernel::wait_program(LIMIT);
        let Ok(Some(end)) = end else { programs::wrong(file!(), format_args!("a client does not end: {end:?}")) };
        check!(end.cause == 0, "a client ends with {end:x?}");
        longest = longest.max(end.status);
    }
    longest
}

/// One program with a thread on each of so many CPUs that all touch one page and take it away again.
fn share_page(clients: usize) {
    // SAFETY: this is the first thread.
    let utcb = unsafe { first_utcb() };
    let mut samples = [0; ROUNDS];
    for sample in &mut samples {
        let client = spawn_suspended("bench", client::argument(SHARE_PAGE, clients as u64), 0, &utcb);
        let Ok(client) = client else { programs::wrong(file!(), format_args!("no client: {client:?}")) };
        SHARER.store(client.program, Ordering::Relaxed);
        RESOLVED.store(0, Ordering::Relaxed);
        let endpoint = copy_capability(ENDPOINTS[0].load(Ordering::Relaxed), rights::SEND, 1, 0);
        let Ok(endpoint) = endpoint else { programs::wrong(file!(), format_args!("no endpoint: {endpoint:?}")) };
        check!(set_fault_handler(client.thread, endpoint).is_ok(), "the handler is not bound");
        check!(resume_thread(client.thread).is_ok(), "the client does not start");
        // Time for as many faults as the breakpoints have, so that the rates compare.
        let nanoseconds = longest(1);
        *sample = nanoseconds * FAULTS / RESOLVED.load(Ordering::Relaxed).max(1);
        let gone = [client.thread, client.program, endpoint].map(delete_capability);
        check!(gone.iter().all(Result::is_ok), "{gone:?}");
    }
    record(Throughput {
        kind: "faults",
        layout: "one page",
        cpus: clients as u64,
        from: 0,
        to: 0,
        per: FAULTS,
        samples: &samples,
    });
}

/// A client that faults so often; answers the nanoseconds that it took.
pub(crate) fn fault_often(often: u64) -> u64 {
    let start = Kernel::clock();
    for _ in 0..often {
        #[cfg(target_os = "none")]
        // SAFETY: its handler lets it go on behind the instruction with all registers kept.
        unsafe {
            core::arch::asm!("int3", options(nomem, nostack, preserves_flags));
        }
    }
    Kernel::clock() - start
}

/// A client with so many threads that share a page; answers the nanoseconds that it took.
pub(crate) fn share_for_a_while(threads: u64) -> u64 {
    let mut started = [const { None }; MOST_CPUS];
    let start = Kernel::clock();
    for (cpu, place) in started.iter_mut().enumerate().take(threads as usize).skip(1) {
        *place = Thread::spawn(touch_often, 0, cpu as u64).ok();
    }
    touch_often(0);
    for thread in started.into_iter().flatten() {
        check!(thread.join(LIMIT) == Some(0), "a thread does not end");
    }
    Kernel::clock() - start
}

fn touch_often(_argument: u64) -> u64 {
    for _ in 0..TOUCHES {
        // SAFETY: nobody keeps anything in the page; whoever finds it missing gets another.
        unsafe { (PAGED_REGION as *mut u64).write_volatile(1) };
        // Another thread may have taken it away already.
        let _ = unmap_range(PAGED_REGION, PAGE_SIZE);
    }
    0
}

/// An interrupt there and back for every pair of CPUs.
fn pings(count: u64) {
    // SAFETY: this is the first thread.
    let utcb = unsafe { first_utcb() };
    let mut frequency = Frequency::begin();
    for from in 0..count {
        check!(Kernel::move_to_cpu(from) == Ok(0), "CPU {from} cannot be reached");
        for to in (0..count).filter(|to| *to != from) {
            let (mut there, mut back) = ([0; SHORT_ROUNDS], [0; SHORT_ROUNDS]);
            for (there, back) in there.iter_mut().zip(&mut back) {
                let ticks = Kernel::ping_cpu(to);
                let Ok(ticks) = ticks else { programs::wrong(file!(), format_args!("CPU {to}: {ticks:?}")) };
                (*there, *back) = (frequency.nanoseconds(utcb.get(0)), frequency.nanoseconds(ticks));
            }
            record(Throughput { kind: "ipi", layout: "there", cpus: 2, from, to, per: 1, samples: &there });
            record(Throughput { kind: "ipi", layout: "there and back", cpus: 2, from, to, per: 1, samples: &back });
        }
    }
    check!(Kernel::move_to_cpu(0) == Ok(0), "CPU 0 cannot be reached");
}

/// How late a thread runs that slept for a while, on each CPU with nothing else to do.
fn sleeps(count: u64) {
    for cpu in 0..count {
        check!(Kernel::move_to_cpu(cpu) == Ok(0), "CPU {cpu} cannot be reached");
        for asked in SLEEPS {
            let mut late = [0; SHORT_ROUNDS];
            for late in &mut late {
                let due = Kernel::clock() + asked;
                Kernel::sleep_until(due);
                *late = Kernel::clock() - due;
            }
            let layout = "slept";
            record(Throughput { kind: "timer", layout, cpus: 1, from: cpu, to: cpu, per: asked, samples: &late });
        }
    }
    check!(Kernel::move_to_cpu(0) == Ok(0), "CPU 0 cannot be reached");
}

/// How fast the time-stamp counter runs.
pub(crate) struct Frequency {
    ticks: u64,
    nanoseconds: u64,
}

impl Frequency {
    /// Measures for 20 ms.
    pub(crate) fn begin() -> Self {
        let (ticks, start) = (ticks(), Kernel::clock());
        let waited = wait_until(SECOND, || Kernel::clock() - start > 20_000_000);
        check!(waited, "the clock stands still");
        Self { ticks: crate::throughput::ticks() - ticks, nanoseconds: Kernel::clock() - start }
    }

    /// Ticks in nanoseconds.
    pub(crate) fn nanoseconds(&mut self, ticks: u64) -> u64 {
        (u128::from(ticks) * u128::from(self.nanoseconds) / u128::from(self.ticks.max(1))) as u64
    }
}

fn ticks() -> u64 {
    #[cfg(target_os = "none")]
    // SAFETY: every x86-64 CPU has RDTSC, and ring 3 may use it.
    unsafe {
        core::arch::x86_64::_rdtsc()
    }
    #[cfg(not(target_os = "none"))]
    0
}

/// A page taken away while threads of the program run on some other CPUs.
fn shootdowns(count: u64) {
    let mut frequency = Frequency::begin();
    for others in 0..count {
        let mut samples = [0; SHORT_ROUNDS];
        shootdown::sample(others, &mut frequency, &mut samples);
        record(Throughput {
            kind: "shootdown",
            layout: "one page",
            cpus: others + 1,
            from: 0,
            to: 0,
            per: 1,
            samples: &samples,
        });
    }
}
