//! A first program whose pages are swapped out, and which meets them in every way: by an instruction that loads, stores or is
//! there itself, and by system calls that copy. Writes what it saw as records, for the table of traps in the book.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::SLOT_OWN_PROGRAM;
use gatehouse_runtime::memory::{Memory, PAGE_SIZE};
use gatehouse_runtime::{Kernel, entry};
use programs::raw::message::{read_memory, swap_out, write_memory};
use programs::{check, page_difference, page_word, record_trap_event, write_page, wrong};

entry!(run);

/// Pages that came back since the start.
fn came_back() -> u64 {
    match Kernel::swap_information() {
        Ok(swap) => swap.pages_in,
        Err(error) => wrong(file!(), format_args!("no information about swapping: {error:?}")),
    }
}

/// Sends the page at `address` away, makes the access, and records whether the page came back for it and was as before.
fn meet(event: &'static str, address: u64, seen: &'static str, access: impl FnOnce() -> bool) {
    // Before the page goes: it may be one of code that comes back for the return from the call.
    let before = came_back();
    let gone = swap_out(SLOT_OWN_PROGRAM, address, PAGE_SIZE);
    check!(gone == Ok(PAGE_SIZE), "{event}: SwapOut: {gone:?}");
    let right = access();
    let seen = match (right, came_back() > before) {
        (true, true) => seen,
        (true, false) => "did not go",
        (false, _) => "came back as something else",
    };
    record_trap_event(event, seen);
}

fn run(_argument: u64) -> u64 {
    const GOES_ON: &str = "swapped in; goes on";
    const CALL_GOES_ON: &str = "swapped in; the call does what it should";
    let memory = Memory::map(PAGE_SIZE);
    let Ok(memory) = memory else { wrong(file!(), format_args!("no memory: {memory:?}")) };
    let page = memory.address();
    // SAFETY: the page was mapped just now, and nobody else uses it.
    unsafe { write_page(page, 1, 1) };
    // SAFETY: as above, here and wherever the page is looked at.
    let is_whole = || unsafe { page_difference(page, 1, 1) }.is_none();

    meet("load from a swapped page", page, GOES_ON, is_whole);
    meet("store to a swapped page", page, GOES_ON, || {
        // SAFETY: as above; the word is what it was.
        unsafe { (page as *mut u64).write_volatile(page_word(1, 1, 0)) };
        is_whole()
    });
    let code = answer as *const () as u64 & !(PAGE_SIZE - 1);
    // Through a pointer that the compiler does not see through: the function stays one.
    meet("execution of a swapped page", code, GOES_ON, || core::hint::black_box(answer as fn(u64) -> u64)(20) == 42);

    let mut word = [0; 8];
    meet("user copy from a swapped page", page, CALL_GOES_ON, || {
        let read = read_memory(SLOT_OWN_PROGRAM, page + 8, &mut word);
        read == Ok(8) && u64::from_le_bytes(word) == page_word(1, 1, 1)
    });
    meet("user copy to a swapped page", page, CALL_GOES_ON, || {
        let written = write_memory(SLOT_OWN_PROGRAM, page + 8, &page_word(1, 1, 1).to_le_bytes());
        written == Ok(8) && is_whole()
    });
    0
}

#[inline(never)]
fn answer(number: u64) -> u64 {
    2 * number + 2
}
