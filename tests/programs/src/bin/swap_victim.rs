//! A program that swaps its own pages out and looks at them again. Not a hazard by itself: the first program `swap_error`
//! starts it, and breaks the first page on its way.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::SLOT_OWN_PROGRAM;
use gatehouse_runtime::entry;
use gatehouse_runtime::memory::PAGE_SIZE;
use programs::raw::message::swap_out;
use programs::{SWAP_ERROR_PAGES, check, page_difference, write_page};

entry!(run);

/// Pages that go.
const PAGES: u64 = 4;

fn run(_argument: u64) -> u64 {
    let mapped = gatehouse_runtime::Kernel::map_memory(SWAP_ERROR_PAGES, PAGES * PAGE_SIZE);
    check!(mapped == Ok(SWAP_ERROR_PAGES), "no pages: {mapped:?}");
    for page in 0..PAGES {
        // SAFETY: the pages were mapped just now.
        unsafe { write_page(SWAP_ERROR_PAGES + page * PAGE_SIZE, page, 1) };
    }
    let gone = swap_out(SLOT_OWN_PROGRAM, SWAP_ERROR_PAGES, PAGES * PAGE_SIZE);
    check!(gone == Ok(PAGES * PAGE_SIZE), "SwapOut: {gone:?}");
    for page in (0..PAGES).rev() {
        // SAFETY: nobody else uses the pages.
        let difference = unsafe { page_difference(SWAP_ERROR_PAGES + page * PAGE_SIZE, page, 1) };
        check!(difference.is_none(), "page {page}: {difference:x?}");
    }
    0
}
