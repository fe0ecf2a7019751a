//! A program that nobody has a reason to change: keeps memory and registers full of a pattern, and looks at them all the time
//! until the word at the start of its region is set. Exits with 0 if nothing was ever different. Its argument is the seed.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::abi::SystemCall;
use gatehouse_runtime::memory::PAGE_SIZE;
use gatehouse_runtime::register_pattern::{Crossing, RegisterPattern};
use gatehouse_runtime::{Kernel, entry};
use programs::{PAGED_REGION, check};

entry!(run);

/// Pages that are looked at.
const PAGES: u64 = 32;
const WORDS: u64 = PAGES * PAGE_SIZE / 8;

fn run(seed: u64) -> u64 {
    let mapped = Kernel::map_memory(PAGED_REGION, (PAGES + 1) * PAGE_SIZE);
    check!(mapped.is_ok(), "no memory: {mapped:?}");
    let stop = PAGED_REGION as *const AtomicU64;
    // SAFETY: the region was mapped just now, and nothing else uses it.
    let words = unsafe { core::slice::from_raw_parts_mut((PAGED_REGION + PAGE_SIZE) as *mut u64, WORDS as usize) };
    for (index, word) in words.iter_mut().enumerate() {
        *word = pattern(seed, index as u64);
    }
    let mut rounds = 0;
    loop {
        for (index, word) in words.iter().enumerate() {
            // SAFETY: a reference's own pointer; volatile, so that what nobody may change is looked at all the same.
            let seen = unsafe { core::ptr::from_ref(word).read_volatile() };
            check!(seen == pattern(seed, index as u64), "word {index} holds {seen:#x}");
        }
        let crossing = if rounds % 2 == 0 { Crossing::Syscall(SystemCall::Yield, 0) } else { Crossing::Spin(2_000) };
        let crossed = RegisterPattern::distinct(seed + rounds).cross(crossing);
        check!(crossed.difference().is_none(), "round {rounds}: registers changed: {:x?}", crossed.difference());
        // SAFETY: the first page of the region, mapped and zeroed.
        if unsafe { &*stop }.load(Ordering::Relaxed) != 0 {
            return 0;
        }
        rounds += 1;
        // A wake-up is one of the ways by which registers could get lost.
        Kernel::sleep(1_000_000);
    }
}

const fn pattern(seed: u64, index: u64) -> u64 {
    (seed ^ index).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1
}
