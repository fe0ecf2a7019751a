//! System calls copy to and from memory that another CPU maps and unmaps all the time: each succeeds or says BadAddress, and
//! none reaches a page that was taken away: pages that a third CPU gets meanwhile stay zero, as they are given.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::abi::{Error, INFORMATION_SYSTEM, SLOT_OWN_PROGRAM, SystemCall};
use gatehouse_runtime::entry_point::{EntryPoint, Syscall};
use gatehouse_runtime::memory::PAGE_SIZE;
use gatehouse_runtime::{Kernel, entry, println};
use programs::{PAGED_REGION, check, cpus, run_threads, unmap_range};

entry!(run);

/// How often each thread does what it does.
const ROUNDS: u64 = 1_500;
/// Pages that come and go.
const PAGES: u64 = 4;
/// Where a page comes and goes that nobody writes to.
const QUIET: u64 = PAGED_REGION + 1024 * PAGE_SIZE;
/// Where memory stays, whose contents are copied from and to.
const STEADY: u64 = PAGED_REGION + 2048 * PAGE_SIZE;
/// What every word of it holds.
const PATTERN: u64 = 0xa5a5_5a5a_a5a5_5a5a;

/// Copies that succeeded, and that were refused.
static COPIED: AtomicU64 = AtomicU64::new(0);
static REFUSED: AtomicU64 = AtomicU64::new(0);
/// Threads that copy still.
static COPYING: AtomicU64 = AtomicU64::new(0);

fn run(_argument: u64) -> u64 {
    let mapped = Kernel::map_memory(STEADY, PAGES * PAGE_SIZE);
    check!(mapped.is_ok(), "no memory: {mapped:?}");
    for word in (STEADY..STEADY + PAGES * PAGE_SIZE).step_by(8) {
        // SAFETY: mapped just now, and nobody else knows of it yet.
        unsafe { (word as *mut u64).write(PATTERN) };
    }
    let (cpus, here) = (cpus(), Kernel::cpu_number());
    let cpu = |offset: u64| (here + offset) % cpus;
    COPYING.store(2, Ordering::Relaxed);
    let status = run_threads(&[(copy, cpu(1)), (copy, cpu(3)), (come_and_go, cpu(0)), (stay_zero, cpu(2))]);
    let (copied, refused) = (COPIED.load(Ordering::Relaxed), REFUSED.load(Ordering::Relaxed));
    println!("copy_race: {copied} copies, {refused} refused");
    check!(copied > 0, "nothing was copied");
    status
}

/// Makes calls of every kind with buffers that may be gone, whole or in part, before, while or after they are looked at.
fn copy(number: u64) -> u64 {
    let length = PAGES * PAGE_SIZE - 16;
    for round in 0..ROUNDS {
        let there = PAGED_REGION + (round + number) % PAGES * 8;
        let calls = [
            // From what comes and goes to what stays, and back. What comes is zero, or has been copied to.
            (SystemCall::WriteMemory, [SLOT_OWN_PROGRAM, there, STEADY, length, 0, 0]),
            (SystemCall::ReadMemory, [SLOT_OWN_PROGRAM, STEADY, there, length, 0, 0]),
            (SystemCall::Information, [INFORMATION_SYSTEM, 0, there + PAGE_SIZE - 64, 4096, 0, 0]),
            (SystemCall::WriteMemory, [SLOT_OWN_PROGRAM, there + 2 * PAGE_SIZE, there, PAGE_SIZE, 0, 0]),
        ];
        for (call, arguments) in calls {
            // SAFETY: the kernel writes to the region that comes and goes only, which holds nothing.
            let answer = Error::from_register(unsafe { Syscall::call(call, arguments) });
            match answer {
                Ok(_) => COPIED.fetch_add(1, Ordering::Relaxed),
                Err(Error::BadAddress) => REFUSED.fetch_add(1, Ordering::Relaxed),
                Err(error) => programs::wrong(file!(), format_args!("{call:?} {arguments:x?}: {error:?}")),
            };
        }
        // SAFETY: the memory that stays; nobody writes to it.
        let seen = unsafe { ((STEADY + round % (PAGES * PAGE_SIZE / 8) * 8) as *const u64).read_volatile() };
        check!(seen == PATTERN, "what stays holds {seen:#x}");
    }
    COPYING.fetch_sub(1, Ordering::Relaxed);
    0
}

fn come_and_go(_number: u64) -> u64 {
    while COPYING.load(Ordering::Relaxed) > 0 {
        let mapped = Kernel::map_memory(PAGED_REGION, PAGES * PAGE_SIZE);
        check!(mapped.is_ok(), "not mapped: {mapped:?}");
        Kernel::yield_now();
        // A page in the middle goes first: ranges end in the middle of a copy.
        for (first, pages) in [(1, 1), (0, PAGES)] {
            let given_back = unmap_range(PAGED_REGION + first * PAGE_SIZE, pages * PAGE_SIZE);
            check!(given_back.is_ok(), "not unmapped: {given_back:?}");
        }
        Kernel::yield_now();
    }
    0
}

/// Gets the frames that the other thread has given back, and sees that nobody writes to them any more.
fn stay_zero(_number: u64) -> u64 {
    while COPYING.load(Ordering::Relaxed) > 0 {
        let mapped = Kernel::map_memory(QUIET, PAGES * PAGE_SIZE);
        check!(mapped.is_ok(), "not mapped: {mapped:?}");
        for _ in 0..3 {
            for word in (QUIET..QUIET + PAGES * PAGE_SIZE).step_by(8) {
                // SAFETY: mapped just now, and only this thread uses it.
                let seen = unsafe { (word as *const u64).read_volatile() };
                check!(seen == 0, "a page that was given to this thread alone holds {seen:#x}");
            }
        }
        let given_back = unmap_range(QUIET, PAGES * PAGE_SIZE);
        check!(given_back.is_ok(), "not unmapped: {given_back:?}");
    }
    0
}
