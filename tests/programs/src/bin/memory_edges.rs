//! Memory at its ends: what is refused has changed nothing, what ends something is never refused, and a program holds what
//! its quota says, in memory or swapped out. A first program.
//!
//! Where pages can be swapped out it fills its quota with pages that are swapped out, and maps a shared frame besides. Where they
//! cannot, on a machine with less memory than the quota, it takes all that there is.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{Error, SLOT_OWN_PROGRAM, rights};
use gatehouse_runtime::memory::PAGE_SIZE;
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::frame;
use programs::raw::message::{map_into, swap_out};
use programs::{PAGED_REGION, check, delete, finish, in_use};

entry!(run);

/// What a program may hold, page tables and pages that are swapped out included.
const QUOTA: u64 = 128 * 1024 * 1024;
/// The most that one call swaps out.
const SWAP_OUT: u64 = 1024 * 1024;
/// More than the machine has, and less than the quota.
const MORE_THAN_ALL: u64 = 120 * 1024 * 1024;
const SHARED: u64 = PAGED_REGION + (1 << 30);

fn run(_argument: u64) -> u64 {
    let Ok(swap) = Kernel::swap_information() else { return 1 };
    if swap.store == 0 {
        refused_by_the_machine();
    } else {
        pages_that_are_away_count();
    }
    finish(0)
}

fn map(address: u64, length: u64) -> Result<u64, Error> {
    Kernel::map_memory(address, length)
}

fn unmap(address: u64, length: u64) -> Result<u64, Error> {
    // SAFETY: nothing keeps references into the region.
    unsafe { Kernel::unmap_memory(address, length) }
}

fn touch(address: u64, length: u64) {
    for page in (address..address + length).step_by(PAGE_SIZE as usize) {
        // SAFETY: a page that this program has mapped for itself.
        unsafe { (page as *mut u64).write_volatile(page) };
    }
}

/// 30,208 pages go away, then shared frames are mapped until no more may be.
fn pages_that_are_away_count() {
    let bytes = 118 * SWAP_OUT;
    for address in (PAGED_REGION..PAGED_REGION + bytes).step_by(SWAP_OUT as usize) {
        check!(map(address, SWAP_OUT) == Ok(address), "{address:#x} is not mapped");
        let gone = swap_out(SLOT_OWN_PROGRAM, address, SWAP_OUT);
        check!(gone.is_ok_and(|gone| gone > SWAP_OUT / 2), "{gone:?} went of {address:#x}");
    }
    let Ok(shared) = frame::create() else { programs::wrong(file!(), format_args!("no frame")) };
    let mut mapped = 0;
    let refusal = loop {
        match frame::map(shared, 0, SHARED + mapped * PAGE_SIZE, rights::READ) {
            Ok(_) => mapped += 1,
            Err(error) => break error,
        }
        check!(bytes + mapped * PAGE_SIZE <= QUOTA, "{mapped} shared pages beside {bytes} bytes that are swapped out");
    };
    check!(refusal == Error::OutOfMemory, "{refusal:?}");
    check!(bytes + mapped * PAGE_SIZE > QUOTA / 100 * 98, "only {mapped} shared pages");
    let fresh = [map(PAGED_REGION + bytes, PAGE_SIZE), map_into(SLOT_OWN_PROGRAM, PAGED_REGION + bytes, PAGE_SIZE)];
    check!(fresh == [Err(Error::OutOfMemory); 2], "{fresh:?}");
    // One page makes room for one, whichever call asks.
    check!(unmap(SHARED, PAGE_SIZE) == Ok(PAGE_SIZE), "not unmapped");
    check!(map(SHARED, PAGE_SIZE) == Ok(SHARED), "no page in the place of the shared one");
    let again = frame::map(shared, 0, SHARED + mapped * PAGE_SIZE, rights::READ);
    check!(again == Err(Error::OutOfMemory), "{again:?}");
    touch(PAGED_REGION, SWAP_OUT);
    check!(unmap(PAGED_REGION, bytes) == Ok(bytes), "not all is unmapped");
    check!(unmap(SHARED, mapped * PAGE_SIZE) == Ok(mapped * PAGE_SIZE), "not all shared pages are unmapped");
    delete(shared);
    println!("memory_edges: {mapped} pages fit beside {} that are swapped out", bytes / PAGE_SIZE);
}

/// MapMemory of more than there is changes nothing; what was mapped to the last frame goes by one call.
fn refused_by_the_machine() {
    // Page tables stay with the program.
    let refused = map(PAGED_REGION, MORE_THAN_ALL);
    check!(refused == Err(Error::OutOfMemory), "{refused:?}: is this machine too large?");
    let before = in_use();
    for _ in 0..3 {
        let refused = map(PAGED_REGION, MORE_THAN_ALL);
        check!(refused == Err(Error::OutOfMemory), "{refused:?}");
        let nothing = unmap(PAGED_REGION, MORE_THAN_ALL);
        check!(nothing == Err(Error::NotFound), "a refused call has left {nothing:?} bytes");
        let now = in_use();
        check!(now.frames_in_use <= before.frames_in_use, "{before:?}, then {now:?}");
    }
    // One page in the middle of the range is in the way: nothing changes, not even the pages that are free.
    let middle = PAGED_REGION + 64 * PAGE_SIZE;
    check!(map(middle, PAGE_SIZE) == Ok(middle), "not mapped");
    check!(map(PAGED_REGION, 128 * PAGE_SIZE) == Err(Error::AlreadyMapped), "mapped over a page");
    check!(unmap(PAGED_REGION, MORE_THAN_ALL) == Ok(PAGE_SIZE), "more than one page");
    let mut end = PAGED_REGION;
    for length in [SWAP_OUT, PAGE_SIZE] {
        while map(end, length).is_ok() {
            end += length;
        }
    }
    let all = end - PAGED_REGION;
    check!(all < MORE_THAN_ALL, "this machine is too large");
    touch(PAGED_REGION, all);
    let gone = unmap(PAGED_REGION, all);
    check!(gone == Ok(all), "{gone:?} of {all} bytes that fill the machine");
    let now = in_use();
    check!(now.frames_in_use <= before.frames_in_use, "{before:?}, then {now:?}");
    let half = all / 2 / PAGE_SIZE * PAGE_SIZE;
    check!(map(PAGED_REGION, half) == Ok(PAGED_REGION), "the memory is not to be had again");
    check!(unmap(PAGED_REGION, all) == Ok(half), "not half of it");
    println!("memory_edges: {} pages came and went", all / PAGE_SIZE);
}
