//! A program that uses more memory than it can have at a time: two threads on two CPUs, each with pages of its own that it
//! writes and checks, in no order, until its time is over. Not a hazard by itself: the first program `swap_thrash` starts it.
//!
//! Its argument: pages in bits 0..=31, seconds in bits 32..=63.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::memory::{Memory, PAGE_SIZE};
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::SECOND;
use gatehouse_runtime::{Kernel, entry, println};
use programs::{check, cpus, page_difference, write_page};

entry!(run);

/// The argument, for the threads.
static PLAN: AtomicU64 = AtomicU64::new(0);
/// Pages that were checked.
static CHECKED: AtomicU64 = AtomicU64::new(0);

/// Threads of a worker.
const THREADS: u64 = 2;

fn run(argument: u64) -> u64 {
    PLAN.store(argument, Ordering::Relaxed);
    let home = Kernel::cpu_number();
    let other = Thread::spawn(thrash, 1, (home + 1) % cpus());
    let Ok(other) = other else { programs::wrong(file!(), format_args!("no second thread: {other:?}")) };
    check!(thrash(0) == 0, "the first thread");
    let seconds = argument >> 32;
    check!(other.join((seconds + 300) * SECOND) == Some(0), "the second thread does not end");
    println!("swap_worker on CPU {home}: {} pages checked", CHECKED.load(Ordering::Relaxed));
    0
}

/// A thread with half of the pages.
fn thrash(number: u64) -> u64 {
    let plan = PLAN.load(Ordering::Relaxed);
    let (pages, seconds) = ((plan & 0xffff_ffff) / THREADS, plan >> 32);
    let memory = Memory::map(pages * PAGE_SIZE);
    let Ok(memory) = memory else { programs::wrong(file!(), format_args!("no {pages} pages: {memory:?}")) };
    let versions = Memory::map(pages * 8);
    let Ok(versions) = versions else { programs::wrong(file!(), format_args!("no memory for versions: {versions:?}")) };
    let first = number * pages;
    let address = |page: u64| memory.address() + page * PAGE_SIZE;
    let version = |page: u64| (versions.address() + page * 8) as *mut u64;
    let verify = |page: u64| {
        // SAFETY: the memory is this thread's own.
        let difference = unsafe { page_difference(address(page), first + page, version(page).read()) };
        check!(difference.is_none(), "page {page} of thread {number}: place and value {difference:x?}");
    };
    for page in 0..pages {
        // SAFETY: as above.
        unsafe {
            version(page).write(1);
            write_page(address(page), first + page, 1);
        }
    }
    let end = Kernel::clock() + seconds * SECOND;
    let mut random = 0x2545_f491_4f6c_dd1d ^ (number + 1) << 20 ^ Kernel::cpu_number();
    let mut checked = 0;
    while Kernel::clock() < end {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let page = (random >> 33) % pages;
        verify(page);
        checked += 1;
        if random & 1 << 32 != 0 {
            // SAFETY: as above.
            unsafe {
                let next = version(page).read() + 1;
                version(page).write(next);
                write_page(address(page), first + page, next);
            }
        }
    }
    for page in 0..pages {
        verify(page);
    }
    CHECKED.fetch_add(checked + pages, Ordering::Relaxed);
    0
}
