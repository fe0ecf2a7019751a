//! System calls whose buffers are swapped out, and whose buffers go away while they run: a first program.
//!
//! Every page of the program itself is swapped out, too, code and stack included, and found again.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::abi::{Error, ProgramEnd, SLOT_OWN_PROGRAM, SystemCall};
use gatehouse_runtime::entry_point::{EntryPoint, Syscall};
use gatehouse_runtime::memory::{IMAGE_BASE, Memory, PAGE_SIZE};
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::SECOND;
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::message::{read_memory, swap_out, write_memory};
use programs::{PAGED_REGION, check, cpus, finish, unmap_range};

entry!(run);

/// Where the pages of the races are: one for each pair of threads.
const RACE_BASE: u64 = PAGED_REGION + 0x1000_0000;
/// How often the page of a race comes and goes at least, and how long that may take until copies have met it both ways.
const RACE_ROUNDS: u64 = 100;
const RACE_TIME: u64 = 60 * SECOND;
/// The most pairs of threads.
const MOST_PAIRS: u64 = 16;

fn run(_argument: u64) -> u64 {
    text_is_read();
    facts_are_written();
    memory_is_copied();
    a_name_is_read_and_an_end_written();
    the_program_itself_goes();
    the_call_checks_its_arguments();
    races();
    let Ok(swap) = Kernel::swap_information() else { return 1 };
    check!(swap.corrupt == 0 && swap.disk_errors == 0, "{swap:?}");
    println!("swap_copy: all cases hold on {} CPUs, store {}", cpus(), swap.store);
    finish(0)
}

/// Pages, mapped and filled.
fn pages(count: u64, fill: &[u8]) -> Memory {
    let memory = Memory::map(count * PAGE_SIZE);
    let Ok(memory) = memory else { programs::wrong(file!(), format_args!("no memory: {memory:?}")) };
    for (place, byte) in fill.iter().cycle().take((count * PAGE_SIZE) as usize).enumerate() {
        // SAFETY: inside the new pages.
        unsafe { ((memory.address() + place as u64) as *mut u8).write_volatile(*byte) };
    }
    memory
}

/// Swaps pages out; all of them must go.
fn away(memory: &Memory) {
    let gone = swap_out(SLOT_OWN_PROGRAM, memory.address(), memory.length());
    check!(gone == Ok(memory.length()), "{:#x} bytes should go: {gone:x?}", memory.length());
}

fn bytes(memory: &Memory, from: u64, length: usize) -> &'static [u8] {
    // SAFETY: the callers ask for mapped bytes that nobody writes, and keep the memory.
    unsafe { core::slice::from_raw_parts((memory.address() + from) as *const u8, length) }
}

fn text_is_read() {
    const TEXT: &[u8] = b"swap_copy: this line was swapped out\n";
    let memory = pages(2, b" ");
    let from = PAGE_SIZE - 10;
    for (place, byte) in TEXT.iter().enumerate() {
        // SAFETY: inside the two pages.
        unsafe { ((memory.address() + from + place as u64) as *mut u8).write_volatile(*byte) };
    }
    away(&memory);
    let written = Kernel::debug_write(bytes(&memory, from, TEXT.len()));
    check!(written == Ok(TEXT.len() as u64), "DebugWrite: {written:?}");
}

fn facts_are_written() {
    let memory = pages(2, &[0x5a]);
    let mut expected = [0; 1024];
    let expected = Kernel::command_line(&mut expected).unwrap_or("?");
    away(&memory);
    // SAFETY: inside the two pages, across their border; nobody else uses them.
    let buffer = unsafe { core::slice::from_raw_parts_mut((memory.address() + PAGE_SIZE - 4) as *mut u8, 1024) };
    let line = Kernel::command_line(buffer);
    check!(line == Ok(expected), "{line:?}, expected {expected:?}");
    check!(bytes(&memory, 0, 1)[0] == 0x5a, "what was around it is lost");
}

fn memory_is_copied() {
    let (from, to) = (pages(3, b"source"), pages(3, b"target"));
    away(&from);
    away(&to);
    // SAFETY: the pages of `to`, which nobody else uses.
    let buffer = unsafe { core::slice::from_raw_parts_mut(to.address() as *mut u8, to.length() as usize) };
    let read = read_memory(SLOT_OWN_PROGRAM, from.address(), buffer);
    check!(read == Ok(from.length()), "ReadMemory: {read:?}");
    let same = bytes(&from, 0, from.length() as usize) == bytes(&to, 0, to.length() as usize);
    check!(same, "ReadMemory copied something else");
    away(&from);
    let written = write_memory(SLOT_OWN_PROGRAM, from.address() + 100, b"written");
    check!(written == Ok(7), "WriteMemory: {written:?}");
    check!(bytes(&from, 100, 7) == b"written" && bytes(&from, 0, 6) == b"source", "WriteMemory");
}

fn a_name_is_read_and_an_end_written() {
    let memory = pages(1, b"hello");
    away(&memory);
    let number = Kernel::spawn_program_quietly(core::str::from_utf8(bytes(&memory, 0, 5)).unwrap_or("?"), 0, 0);
    check!(number.is_ok(), "SpawnProgram: {number:?}");
    away(&memory);
    let arguments = [memory.address(), 60 * SECOND, 0, 0, 0, 0];
    // SAFETY: the kernel writes one `ProgramEnd` to the page, which nobody else uses.
    let answer = unsafe { Syscall::call(SystemCall::WaitProgram, arguments) };
    // SAFETY: plain numbers, inside the page.
    let end = unsafe { (memory.address() as *const ProgramEnd).read_volatile() };
    check!(Error::from_register(answer) == number && Ok(end.program) == number, "WaitProgram: {answer:#x}, {end:x?}");
    check!(end.cause == 0 && end.status == 0, "{end:x?}");
}

/// Code, data and stack: everything but message buffers goes, and comes as it is needed.
fn the_program_itself_goes() {
    let local = 0_u64;
    let stack = (&raw const local as u64) & !(PAGE_SIZE - 1);
    for _ in 0..10 {
        let image = swap_out(SLOT_OWN_PROGRAM, IMAGE_BASE, 1024 * 1024);
        check!(image.is_ok_and(|bytes| bytes > 0), "of the image went {image:x?}");
        let gone = swap_out(SLOT_OWN_PROGRAM, stack, PAGE_SIZE);
        check!(gone == Ok(PAGE_SIZE), "of the stack went {gone:x?}");
    }
}

fn the_call_checks_its_arguments() {
    let memory = pages(1, &[1]);
    for (slot, address, length, expected) in [
        (SLOT_OWN_PROGRAM, memory.address() + 1, PAGE_SIZE, Error::InvalidArgument),
        (SLOT_OWN_PROGRAM, memory.address(), PAGE_SIZE - 1, Error::InvalidArgument),
        (SLOT_OWN_PROGRAM, memory.address(), 1024 * 1024 + PAGE_SIZE, Error::InvalidArgument),
        (SLOT_OWN_PROGRAM, 0xffff_8000_0000_0000, PAGE_SIZE, Error::InvalidArgument),
        (SLOT_OWN_PROGRAM, gatehouse_runtime::abi::UTCB_BASE, PAGE_SIZE, Error::InvalidArgument),
        (2, memory.address(), PAGE_SIZE, Error::BadCapability),
        (77, memory.address(), PAGE_SIZE, Error::BadCapability),
    ] {
        let answer = swap_out(slot, address, length);
        check!(answer == Err(expected), "slot {slot} {address:#x} {length:#x}: {answer:?}");
    }
    let nothing = swap_out(SLOT_OWN_PROGRAM, RACE_BASE, PAGE_SIZE);
    check!(nothing == Ok(0), "where nothing is mapped: {nothing:?}");
}

/// Copies that succeeded, and that found nothing mapped.
static COPIED: AtomicU64 = AtomicU64::new(0);
static REFUSED: AtomicU64 = AtomicU64::new(0);
/// Pages that were mapped for the races.
static MAPPED: AtomicU64 = AtomicU64::new(0);
/// Threads that still change their page.
static CHANGING: AtomicU64 = AtomicU64::new(0);

/// On every other CPU a thread copies from and to a page that a thread on the next CPU maps, swaps out and unmaps.
fn races() {
    let pairs = (cpus() / 2).clamp(1, MOST_PAIRS);
    CHANGING.store(pairs, Ordering::Relaxed);
    let mut threads = [const { None }; 2 * MOST_PAIRS as usize];
    for pair in 0..pairs {
        threads[2 * pair as usize] = Thread::spawn(copy_all_the_time, pair, 2 * pair).ok();
        threads[2 * pair as usize + 1] = Thread::spawn(change_all_the_time, pair, (2 * pair + 1) % cpus()).ok();
    }
    let mut ended = 0;
    for thread in threads.into_iter().flatten() {
        let status = thread.join(RACE_TIME + 60 * SECOND);
        check!(status == Some(0), "a thread of a race: {status:?}");
        ended += 1;
    }
    check!(ended == 2 * pairs, "only {ended} threads for {pairs} races");
    let (copied, refused) = (COPIED.load(Ordering::Relaxed), REFUSED.load(Ordering::Relaxed));
    let mapped = MAPPED.load(Ordering::Relaxed);
    check!(copied > 0 && refused > 0 && mapped > 0, "{copied} copied, {refused} refused, {mapped} mapped");
    println!("swap_copy: {copied} copies succeeded and {refused} were refused while {mapped} pages came and went");
}

fn copy_all_the_time(pair: u64) -> u64 {
    let page = RACE_BASE + pair * PAGE_SIZE;
    let mut own = [0_u8; 64];
    while CHANGING.load(Ordering::Relaxed) > 0 {
        let read = read_memory(SLOT_OWN_PROGRAM, page + 32, &mut own);
        let written = write_memory(SLOT_OWN_PROGRAM, page + 1024, &own);
        for answer in [read, written] {
            match answer {
                Ok(64) => COPIED.fetch_add(1, Ordering::Relaxed),
                Err(Error::BadAddress) => REFUSED.fetch_add(1, Ordering::Relaxed),
                _ => programs::wrong(file!(), format_args!("a copy: {answer:?}")),
            };
        }
        // Either the page was whole, or the copy was refused before this byte.
        check!(own.iter().all(|byte| *byte == 0 || *byte == 7), "{own:?}");
    }
    0
}

fn change_all_the_time(pair: u64) -> u64 {
    let page = RACE_BASE + pair * PAGE_SIZE;
    let end = Kernel::clock() + RACE_TIME;
    let both_seen = || COPIED.load(Ordering::Relaxed) > 0 && REFUSED.load(Ordering::Relaxed) > 0;
    let mut rounds = 0;
    while rounds < RACE_ROUNDS || (!both_seen() && Kernel::clock() < end) {
        rounds += 1;
        let mapped = Kernel::map_memory(page, PAGE_SIZE);
        check!(mapped == Ok(page), "MapMemory: {mapped:?}");
        // SAFETY: the page was mapped just now, and the other thread leaves this part alone.
        unsafe { ((page + 32) as *mut [u8; 64]).write_volatile([7; 64]) };
        let gone = swap_out(SLOT_OWN_PROGRAM, page, PAGE_SIZE);
        check!(gone.is_ok(), "SwapOut: {gone:?}");
        let freed = unmap_range(page, PAGE_SIZE);
        check!(freed == Ok(PAGE_SIZE), "UnmapMemory: {freed:?}");
        MAPPED.fetch_add(1, Ordering::Relaxed);
    }
    CHANGING.fetch_sub(1, Ordering::Relaxed);
    0
}
