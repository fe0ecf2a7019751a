//! Numbers in RAX that say a call is half done already. The program has made them up: it gets what it could have had by
//! other calls, or an error, and nothing else happens.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{Error, SLOT_OWN_PROGRAM, SystemCall};
use gatehouse_runtime::entry;
use gatehouse_runtime::entry_point::{EntryPoint, Int80, Syscall};
use gatehouse_runtime::memory::PAGE_SIZE;
use programs::{PAGED_REGION, check};

entry!(run);

const MARK: u64 = 0x4748 << 48;
/// The stages of a call.
const WORK: u64 = 0;
const MAP: u64 = 1;
const UNDO_FOR_MEMORY: u64 = 2;
const UNDO_FOR_PAGE: u64 = 3;

const PAGES: u64 = 100;
const LENGTH: u64 = PAGES * PAGE_SIZE;

fn run(_argument: u64) -> u64 {
    by_entry_point::<Syscall>();
    by_entry_point::<Int80>();
    0
}

fn number(call: SystemCall, stage: u64, done: u64, count: u64) -> u64 {
    MARK | (call as u64) << 40 | stage << 32 | count << 16 | done
}

fn make<E: EntryPoint>(number: u64, arguments: [u64; 6]) -> Result<u64, Error> {
    // SAFETY: the calls are about the region, into which nothing keeps references, or are to be refused.
    Error::from_register(unsafe { E::call_number(number, arguments) })
}

fn region<E: EntryPoint>(call: SystemCall, stage: u64, done: u64, count: u64) -> Result<u64, Error> {
    make::<E>(number(call, stage, done, count), [PAGED_REGION, LENGTH, 0, 0, 0, 0])
}

fn map<E: EntryPoint>(address: u64, length: u64) {
    let mapped = make::<E>(SystemCall::MapMemory as u64, [address, length, 0, 0, 0, 0]);
    check!(mapped == Ok(address), "{mapped:?}");
}

fn unmap<E: EntryPoint>() -> Result<u64, Error> {
    region::<E>(SystemCall::UnmapMemory, WORK, 0, 0)
}

fn by_entry_point<E: EntryPoint>() {
    half_a_range::<E>();
    a_page_in_the_way::<E>();
    nonsense::<E>();
    check!(unmap::<E>() == Err(Error::NotFound), "something is left");
}

/// What is claimed to be done is not done.
fn half_a_range<E: EntryPoint>() {
    check!(region::<E>(SystemCall::MapMemory, MAP, 40, 0) == Ok(PAGED_REGION), "not mapped");
    check!(unmap::<E>() == Ok(60 * PAGE_SIZE), "not the last 60 pages");
    map::<E>(PAGED_REGION, LENGTH);
    check!(region::<E>(SystemCall::UnmapMemory, WORK, 90, 7) == Ok(17 * PAGE_SIZE), "not 10 pages and 7 claimed ones");
    check!(region::<E>(SystemCall::MapMemory, UNDO_FOR_MEMORY, 80, 0) == Err(Error::OutOfMemory), "not refused");
    check!(unmap::<E>() == Ok(10 * PAGE_SIZE), "not the ten that are left");
}

/// As if another thread had mapped a page after it was seen that none is there.
fn a_page_in_the_way<E: EntryPoint>() {
    let page = PAGED_REGION + 70 * PAGE_SIZE;
    map::<E>(page, PAGE_SIZE);
    // SAFETY: the page was just mapped.
    unsafe { (page as *mut u64).write_volatile(7) };
    check!(region::<E>(SystemCall::MapMemory, MAP, 0, 0) == Err(Error::AlreadyMapped), "mapped over a page");
    check!(region::<E>(SystemCall::MapMemory, WORK, 71, 0) == Err(Error::AlreadyMapped), "mapped over a page");
    // SAFETY: the page is still mapped.
    check!(unsafe { (page as *const u64).read_volatile() } == 7, "another page");
    check!(unmap::<E>() == Ok(PAGE_SIZE), "pages of a refused call are left");
}

fn nonsense<E: EntryPoint>() {
    for call in SystemCall::ALL {
        for stage in [WORK, MAP, UNDO_FOR_MEMORY, UNDO_FOR_PAGE, 4, 0xff] {
            for (done, count) in [(PAGES + 1, 0), (0xffff, 0xffff)] {
                let answer = region::<E>(call, stage, done, count);
                check!(answer.is_err(), "{call:?}, stage {stage}, {done} done: {answer:?}");
            }
        }
    }
    for argument in [0, 0xfff, 0x7fff_ffff_f000, 1 << 63, u64::MAX] {
        for stage in [WORK, MAP, UNDO_FOR_MEMORY, UNDO_FOR_PAGE] {
            for call in [SystemCall::MapMemory, SystemCall::UnmapMemory] {
                let answer = make::<E>(number(call, stage, 1, 1), [argument, LENGTH, 0, 0, 0, 0]);
                check!(answer == Err(Error::InvalidArgument), "{call:?} at {argument:#x}: {answer:?}");
                let answer = make::<E>(number(call, stage, 1, 1), [PAGED_REGION, argument, 0, 0, 0, 0]);
                check!(answer == Err(Error::InvalidArgument), "{call:?} of {argument:#x} bytes: {answer:?}");
            }
        }
    }
    // The rights are asked for in each piece.
    for call in [SystemCall::MapInto, SystemCall::UnmapFrom, SystemCall::SwapOut, SystemCall::RevokeCapability] {
        let answer = make::<E>(number(call, WORK, 1, 1), [u64::MAX, PAGED_REGION, LENGTH, 0, 0, 0]);
        check!(answer == Err(Error::BadCapability), "{call:?} without a capability: {answer:?}");
    }
    let into = make::<E>(number(SystemCall::MapInto, MAP, 99, 0), [SLOT_OWN_PROGRAM, PAGED_REGION, LENGTH, 0, 0, 0]);
    check!(into == Ok(PAGED_REGION), "{into:?}");
    let from = make::<E>(number(SystemCall::UnmapFrom, WORK, 99, 0), [SLOT_OWN_PROGRAM, PAGED_REGION, LENGTH, 0, 0, 0]);
    check!(from == Ok(PAGE_SIZE), "{from:?}");
}
