//! A client that touches more memory than a program may hold: its pager is refused the page, kills it, and gets all memory
//! back; a program that maps for itself is refused, keeps what it has, and can go on. A first program.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{Error, MessageTag, REPLY_KILL, REPLY_RESUME, TrapNumber};
use gatehouse_runtime::memory::PAGE_SIZE;
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::message::{map_into, reply};
use programs::{
    PAGED_REGION, check, child, delete, end, endpoint, exits_well, fault_in_time, forget, is_shut_down, rounds, start,
};

entry!(run);

const TOUCHES: u64 = 1;
const MAPS: u64 = 2;

/// Bytes that a program may hold, page tables included.
const QUOTA: u64 = 128 * 1024 * 1024;
/// What one answer of the pager maps.
const PIECE: u64 = 1024 * 1024;

fn run(argument: u64) -> u64 {
    match argument {
        TOUCHES => touch_for_ever(),
        MAPS => map_to_the_end(),
        _ => {
            let cpu = programs::cpus() - 1;
            let mut pieces = 0;
            rounds(0..1, |_| {
                pieces = paged_to_the_end(cpu);
                let maps = child("memory_quota", MAPS, cpu);
                start(maps, None);
                exits_well(maps);
                forget(maps);
            });
            println!("memory_quota: refused after {} MiB", pieces * PIECE / 1024 / 1024);
            0
        }
    }
}

fn touch_for_ever() -> u64 {
    let mut address = PAGED_REGION;
    loop {
        // SAFETY: the pager maps what is touched, or ends the program.
        unsafe { (address as *mut u64).write_volatile(1) };
        address += PIECE;
    }
}

fn paged_to_the_end(cpu: u64) -> u64 {
    let client = child("memory_quota", TOUCHES, cpu);
    let faults = endpoint();
    start(client, Some(faults));
    let mut pieces = 0;
    loop {
        let (_, fault) = fault_in_time(faults);
        check!(fault.address == PAGED_REGION + pieces * PIECE, "{fault:x?}");
        match map_into(client.program, fault.address, PIECE) {
            Ok(_) => pieces += 1,
            Err(error) => {
                check!(error == Error::OutOfMemory, "{error:?}");
                break;
            }
        }
        check!(pieces <= QUOTA / PIECE, "there is no end to it");
        check!(reply(MessageTag::new(REPLY_RESUME, 0), [0; 4]).is_ok(), "not replied");
    }
    // Nothing of a refused piece stays: the same place can be asked for again, and a page more does not fit a full quota.
    let again = map_into(client.program, PAGED_REGION + pieces * PIECE, PIECE);
    check!(again == Err(Error::OutOfMemory), "{again:?}");
    check!(pieces > QUOTA / PIECE / 2, "only {pieces} MiB");
    check!(reply(MessageTag::new(REPLY_KILL, 0), [0; 4]).is_ok(), "not replied");
    let end = end();
    check!(is_shut_down(&end, TrapNumber::STORE_PAGE_FAULT), "{end:x?}");
    forget(client);
    delete(faults);
    pieces
}

/// Maps pieces, then pages, until nothing more is given; gives a page back, and gets it again.
fn map_to_the_end() -> u64 {
    let mut address = PAGED_REGION;
    for length in [PIECE, PAGE_SIZE] {
        loop {
            match Kernel::map_memory(address, length) {
                Ok(_) => address += length,
                Err(error) => {
                    check!(error == Error::OutOfMemory, "{error:?}");
                    break;
                }
            }
            check!(address < PAGED_REGION + QUOTA, "there is no end to it");
        }
    }
    let last = address - PAGE_SIZE;
    for _ in 0..3 {
        // SAFETY: nothing uses the page.
        let given_back = unsafe { Kernel::unmap_memory(last, PAGE_SIZE) };
        check!(given_back == Ok(PAGE_SIZE), "{given_back:?}");
        check!(Kernel::map_memory(last, PAGE_SIZE) == Ok(last), "the page that was given back is not to be had");
        let refused = Kernel::map_memory(address, PAGE_SIZE);
        check!(refused == Err(Error::OutOfMemory), "{refused:?}");
    }
    0
}
