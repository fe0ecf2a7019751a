//! A program whose threads, one on each CPU, need pages that are swapped out: all of them the same page to begin with, then
//! each the others. The argument is that page; pages before it are left alone. Not a hazard by itself: the first program `swap_silent` starts it, with a disk that does not answer.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::SLOT_OWN_PROGRAM;
use gatehouse_runtime::memory::PAGE_SIZE;
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::SECOND;
use gatehouse_runtime::{Kernel, entry};
use programs::raw::message::swap_out;
use programs::{SWAP_ERROR_PAGES, SWAP_WAITER_PAGES, check, cpus, page_difference, write_page};

entry!(run);

/// The most threads besides the first.
const MOST: usize = 16;

fn run(first_page: u64) -> u64 {
    let length = SWAP_WAITER_PAGES * PAGE_SIZE;
    let mapped = Kernel::map_memory(SWAP_ERROR_PAGES, length);
    check!(mapped == Ok(SWAP_ERROR_PAGES), "no pages: {mapped:?}");
    for page in 0..SWAP_WAITER_PAGES {
        // SAFETY: the pages were mapped just now.
        unsafe { write_page(SWAP_ERROR_PAGES + page * PAGE_SIZE, page, 1) };
    }
    let gone = swap_out(SLOT_OWN_PROGRAM, SWAP_ERROR_PAGES, length);
    check!(gone == Ok(length), "SwapOut: {gone:?}");
    let mut threads = [const { None }; MOST];
    for (cpu, thread) in threads.iter_mut().enumerate().take(cpus() as usize) {
        *thread = Thread::spawn(need_pages, first_page | (cpu as u64) << 32, cpu as u64).ok();
    }
    let status = need_pages(first_page);
    for thread in threads.into_iter().flatten() {
        let other = thread.join(600 * SECOND);
        check!(other == Some(0), "a thread ended with {other:?}");
    }
    status
}

/// Bits 31 to 0 of the argument: the page that all begin with; the others make the order of the rest another one.
fn need_pages(argument: u64) -> u64 {
    let (first, order) = (argument & 0xffff_ffff, argument >> 32);
    let rest = SWAP_WAITER_PAGES - first;
    for turn in 0..=rest {
        let page = if turn == 0 { first } else { first + (order + turn) % rest };
        // SAFETY: the page is mapped, and nobody writes to it.
        let difference = unsafe { page_difference(SWAP_ERROR_PAGES + page * PAGE_SIZE, page, 1) };
        check!(difference.is_none(), "page {page}: {difference:x?}");
    }
    0
}
