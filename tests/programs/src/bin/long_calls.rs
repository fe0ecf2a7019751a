//! How long an interrupt waits at most while a less urgent thread makes calls that take long: a thread of the same CPU sleeps
//! again and again, and looks how late it comes back. A first program, for a machine that counts time in instructions.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::abi::{DEFAULT_PRIORITY, Error, SLOT_OWN_PROGRAM, rights};
use gatehouse_runtime::memory::PAGE_SIZE;
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::{MILLISECOND, SECOND, wait_until};
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::control::set_priority;
use programs::raw::message::{copy_capability, create_endpoint, revoke_capability, swap_out};
use programs::{PAGED_REGION, check, delete, finish};

entry!(run);

const MIB: u64 = 1024 * 1024;
/// Nearly what a program may hold.
const LENGTH: u64 = 120 * MIB;
/// Nearly as many capabilities as a program may hold.
const COPIES: u64 = 4000;
/// The watcher sleeps for so long. Nanoseconds.
const PERIOD: u64 = 30_000;
/// No call may keep it waiting for longer. Nanoseconds, each an instruction.
const LIMIT: u64 = 30_000;
/// A batch of pages is compressed at once.
const SWAP_LIMIT: u64 = 100_000;

static WORST: AtomicU64 = AtomicU64::new(0);
static ROUNDS: AtomicU64 = AtomicU64::new(0);
static STOP: AtomicU64 = AtomicU64::new(0);

fn watch(_argument: u64) -> u64 {
    while STOP.load(Ordering::Relaxed) == 0 {
        let due = Kernel::clock() + PERIOD;
        Kernel::sleep_until(due);
        WORST.fetch_max(Kernel::clock() - due, Ordering::Relaxed);
        ROUNDS.fetch_add(1, Ordering::Relaxed);
    }
    0
}

/// Makes a call with the watcher beside it; the answer must be this.
fn timed(name: &str, limit: u64, expected: Result<u64, Error>, call: impl FnOnce() -> Result<u64, Error>) {
    WORST.store(0, Ordering::Relaxed);
    let (begin, rounds) = (Kernel::clock(), ROUNDS.load(Ordering::Relaxed));
    let answer = call();
    let took = Kernel::clock() - begin;
    let seen = ROUNDS.load(Ordering::Relaxed) - rounds;
    // The watcher has its turn, which may be late because of the call.
    Kernel::sleep(MILLISECOND);
    let worst = WORST.load(Ordering::Relaxed);
    println!("long_calls: {name}: {took} instructions, an interrupt {worst} late at most ({seen} times)");
    check!(answer == expected, "{name}: {answer:?}");
    check!(worst <= limit, "{name} keeps an interrupt waiting for {worst} instructions");
}

fn unmap(address: u64, length: u64) -> Result<u64, Error> {
    // SAFETY: nothing keeps references into the region.
    unsafe { Kernel::unmap_memory(address, length) }
}

fn run(_argument: u64) -> u64 {
    check!(set_priority(0, DEFAULT_PRIORITY - 1) == Ok(0), "not less urgent");
    let Ok(watcher) = Thread::spawn(watch, 0, Kernel::cpu_number()) else { return 1 };
    check!(wait_until(20 * SECOND, || ROUNDS.load(Ordering::Relaxed) > 0), "the watcher does not run");
    memory();
    capabilities();
    STOP.store(1, Ordering::Relaxed);
    check!(watcher.join(SECOND) == Some(0), "the watcher does not end");
    finish(0)
}

fn memory() {
    let last = PAGED_REGION + LENGTH - PAGE_SIZE;
    timed("MapMemory", LIMIT, Ok(PAGED_REGION), || Kernel::map_memory(PAGED_REGION, LENGTH));
    timed("UnmapMemory", LIMIT, Ok(LENGTH), || unmap(PAGED_REGION, LENGTH));
    timed("UnmapMemory of nothing", LIMIT, Err(Error::NotFound), || unmap(PAGED_REGION, LENGTH));
    timed("MapMemory of one page", LIMIT, Ok(last), || Kernel::map_memory(last, PAGE_SIZE));
    let refused = Err(Error::AlreadyMapped);
    timed("MapMemory with the last page in the way", LIMIT, refused, || Kernel::map_memory(PAGED_REGION, LENGTH));
    timed("UnmapMemory of one page in many", LIMIT, Ok(PAGE_SIZE), || unmap(PAGED_REGION, LENGTH));
    for table in (PAGED_REGION..PAGED_REGION + LENGTH).step_by(2 * MIB as usize) {
        check!(Kernel::map_memory(table, PAGE_SIZE) == Ok(table), "no page");
    }
    let pages = LENGTH / (2 * MIB) * PAGE_SIZE;
    timed("UnmapMemory of a page in each table", LIMIT, Ok(pages), || unmap(PAGED_REGION, LENGTH));
    if Kernel::swap_information().is_ok_and(|swap| swap.store != 0) {
        check!(Kernel::map_memory(PAGED_REGION, MIB) == Ok(PAGED_REGION), "no memory");
        timed("SwapOut", SWAP_LIMIT, Ok(MIB), || swap_out(SLOT_OWN_PROGRAM, PAGED_REGION, MIB));
        timed("UnmapMemory of pages that are swapped out", LIMIT, Ok(MIB), || unmap(PAGED_REGION, MIB));
    }
}

fn capabilities() {
    for chain in [false, true] {
        let Ok(top) = create_endpoint() else { programs::wrong(file!(), format_args!("no endpoint")) };
        let mut source = top;
        for _ in 0..COPIES {
            let copy = copy_capability(source, rights::ALL, 0, 0);
            let Ok(copy) = copy else { programs::wrong(file!(), format_args!("{copy:?}")) };
            source = if chain { copy } else { top };
        }
        timed("RevokeCapability", LIMIT, Ok(0), || revoke_capability(top));
        delete(top);
    }
}
