//! What it costs to reach other CPUs: interrupt there and back for every pair, all others at once, and taking a page away
//! from a program that runs on 1, 2, … CPUs. To be run as the first program; with `--icount` a tick is an instruction, of
//! whichever CPU.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::abi::ALL_OTHER_CPUS;
use gatehouse_runtime::memory::PAGE_SIZE;
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::{SECOND, wait_until};
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::message::first_utcb;
use programs::{check, cpus};

entry!(run);

const ROUNDS: usize = 100;
/// The most CPUs of which every pair is measured.
const MAX_PAIRS: u64 = 16;
/// Where pages are mapped and taken away.
const PAGE: u64 = 0x5000_0000_0000;

/// Threads that run, and whether they are to go on.
static RUNNING: AtomicU64 = AtomicU64::new(0);
static STOP: AtomicU64 = AtomicU64::new(0);

/// Values in order of size.
struct Samples([u64; ROUNDS]);

impl Samples {
    fn take(mut one: impl FnMut() -> u64) -> Self {
        let mut samples = [0; ROUNDS];
        // The first ones fill caches.
        (0..3).for_each(|_| assert!(one() < u64::MAX));
        samples.fill_with(&mut one);
        samples.sort_unstable();
        Self(samples)
    }

    fn least(&self) -> u64 {
        self.0[0]
    }

    fn median(&self) -> u64 {
        self.0[ROUNDS / 2]
    }
}

fn run(_argument: u64) -> u64 {
    let count = cpus();
    pairs(count.min(MAX_PAIRS));
    check!(Kernel::move_to_cpu(0) == Ok(0), "CPU 0 cannot be reached");
    let all = Samples::take(|| ping(ALL_OTHER_CPUS));
    println!("ipi: all {} others: min {} median {}", count - 1, all.least(), all.median());
    shootdowns(count);
    0
}

fn ping(cpu: u64) -> u64 {
    let ticks = Kernel::ping_cpu(cpu);
    let Ok(ticks) = ticks else { programs::wrong(file!(), format_args!("ping of CPU {cpu:#x}: {ticks:?}")) };
    ticks
}

fn pairs(count: u64) {
    // SAFETY: this is the first thread.
    let utcb = unsafe { first_utcb() };
    for from in 0..count {
        check!(Kernel::move_to_cpu(from) == Ok(0), "CPU {from} cannot be reached");
        for to in (0..count).filter(|to| *to != from) {
            let mut there = [0; ROUNDS + 3];
            let mut round = 0;
            let back = Samples::take(|| {
                let ticks = ping(to);
                there[round] = utcb.get(0);
                check!(there[round] <= ticks, "there {} ticks, there and back {ticks}", there[round]);
                round += 1;
                ticks
            });
            there.sort_unstable();
            println!(
                "ipi: CPU {from} to {to}: there min {} median {}, there and back min {} median {}",
                there[0],
                there[ROUNDS / 2],
                back.least(),
                back.median()
            );
        }
    }
}

/// Takes pages away while threads of the program run on some CPUs: only those are interrupted.
fn shootdowns(count: u64) {
    for others in 0..count.min(MAX_PAIRS) {
        STOP.store(0, Ordering::Relaxed);
        RUNNING.store(0, Ordering::Relaxed);
        let mut threads = [const { None }; MAX_PAIRS as usize];
        for (number, place) in threads[..others as usize].iter_mut().enumerate() {
            let thread = Thread::spawn(spin, 0, number as u64 + 1);
            check!(thread.is_ok(), "no thread on CPU {}: {thread:?}", number + 1);
            *place = thread.ok();
        }
        check!(wait_until(60 * SECOND, || RUNNING.load(Ordering::Relaxed) == others), "the threads do not run");
        let interrupts = || (0..count).map(|cpu| Kernel::cpu_information(cpu).map_or(0, |cpu| cpu.ipi)).sum::<u64>();
        let before = interrupts();
        let one = Samples::take(|| unmap(1));
        let sent = interrupts() - before;
        let many = Samples::take(|| unmap(32));
        STOP.store(1, Ordering::Relaxed);
        threads.into_iter().flatten().for_each(|thread| check!(thread.join(60 * SECOND) == Some(0), "a thread fails"));
        println!(
            "shootdown: {others} other CPUs: 1 page min {} median {}, 32 pages min {} median {}; {sent} interrupts for {} calls",
            one.least(),
            one.median(),
            many.least(),
            many.median(),
            ROUNDS + 3
        );
        check!(
            sent <= others * (ROUNDS as u64 + 3) + 50,
            "{sent} interrupts to take a page away {} times from {others} CPUs",
            ROUNDS + 3
        );
    }
}

/// Ticks to take away so many pages, which are there.
fn unmap(pages: u64) -> u64 {
    let length = pages * PAGE_SIZE;
    check!(Kernel::map_memory(PAGE, length) == Ok(PAGE), "no page");
    (0..pages).for_each(|page| {
        // SAFETY: the page has just been mapped; nobody else knows it.
        unsafe { ((PAGE + page * PAGE_SIZE) as *mut u64).write_volatile(page) }
    });
    let start = ticks();
    // SAFETY: nothing uses the page.
    let done = unsafe { Kernel::unmap_memory(PAGE, length) };
    let end = ticks();
    check!(done == Ok(length), "UnmapMemory: {done:?}");
    end - start
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

fn spin(_argument: u64) -> u64 {
    RUNNING.fetch_add(1, Ordering::Relaxed);
    while STOP.load(Ordering::Relaxed) == 0 {
        core::hint::spin_loop();
    }
    0
}
