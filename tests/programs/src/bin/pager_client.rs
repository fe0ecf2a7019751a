//! A program whose memory comes from a pager: touches a region page by page, checks what it wrote, gives the pages back
//! and begins again. Not a hazard by itself: the first program `pager` starts it.
//!
//! Its argument: rounds in bits 0..=31, pages a round in bits 32..=63.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::entry;
use gatehouse_runtime::memory::PAGE_SIZE;
use programs::{PAGED_REGION, check, unmap_range};

entry!(run);

fn run(argument: u64) -> u64 {
    let (rounds, pages) = (argument & 0xffff_ffff, argument >> 32);
    for round in 0..rounds {
        for page in 0..pages {
            let word = (PAGED_REGION + page * PAGE_SIZE) as *mut u64;
            // SAFETY: nothing else is in the region: the pager maps what is touched. A fresh page is all zero.
            let before = unsafe { word.add((page % 512) as usize).read_volatile() };
            check!(before == 0, "page {page} of round {round} held {before:#x}");
            // SAFETY: as above.
            unsafe { word.add((page % 512) as usize).write_volatile(pattern(round, page)) };
        }
        for page in 0..pages {
            let word = (PAGED_REGION + page * PAGE_SIZE) as *const u64;
            // SAFETY: the page was touched above.
            let now = unsafe { word.add((page % 512) as usize).read_volatile() };
            check!(now == pattern(round, page), "page {page} of round {round} holds {now:#x}");
        }
        let freed = unmap_range(PAGED_REGION, pages * PAGE_SIZE);
        check!(freed == Ok(pages * PAGE_SIZE), "{freed:?}");
    }
    0
}

/// Different for every round and page, and never 0.
const fn pattern(round: u64, page: u64) -> u64 {
    (round + 1) << 32 | (page + 1)
}
