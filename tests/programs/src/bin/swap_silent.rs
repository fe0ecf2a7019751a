//! A disk that takes pages and then says nothing any more: a first program, for a disk that QEMU lets read next to nothing.
//!
//! Programs wait for their pages on all CPUs. One of them is killed meanwhile and ends at once; the other ends when the kernel
//! gives the disk up, with the reason; one whose page is only kept there, when somebody reads it. The CPUs go on all the time,
//! and this program with its memory.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{EndCause, Error, PageLoss, ProgramEnd, SLOT_OWN_PROGRAM, ThreadInformation};
use gatehouse_runtime::memory::{Memory, PAGE_SIZE};
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::{MILLISECOND, SECOND, wait_until};
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::control::kill_program;
use programs::raw::debugger::list_threads;
use programs::raw::message::{Suspended, map_into, read_memory, swap_out, write_memory};
use programs::{
    SWAP_ERROR_PAGES, SWAP_WAITER_PAGES, check, child, cpus, finish, forget, page_difference, start, write_page,
};

entry!(run);

/// How long anything may take that needs no disk.
const PATIENCE: u64 = 60 * SECOND;
/// How long the kernel may take to give the disk up.
const DISK_PATIENCE: u64 = 180 * SECOND;
/// How long a thread gets from its start to its wait for a page.
const A_WHILE: u64 = 300 * MILLISECOND;

fn run(_argument: u64) -> u64 {
    let mut buffer = [0; 1024];
    let line = Kernel::command_line(&mut buffer).unwrap_or("");
    if line.contains("stuck=writes") {
        pages_on_their_way_come_back()
    } else {
        pages_there_are_lost()
    }
    pages_stay();
    every_cpu_goes_on();
    let Ok(swap) = Kernel::swap_information() else { return 1 };
    check!(swap.store == 2 && swap.disk_errors > 0 && swap.corrupt == 0, "{swap:?}");
    println!("swap_silent: {} CPUs go on", cpus());
    finish(0)
}

fn pages_on_their_way_come_back() {
    // The first page may arrive: QEMU's limit is one for what follows.
    let waiting = waiter(1);
    every_cpu_goes_on();
    let end = end_within(DISK_PATIENCE);
    println!("swap_silent: the program that waited ended: {end}");
    check!(end.cause == EndCause::Exited as u64 && end.status == 0, "{end:x?}");
    forget(waiting);
}

fn pages_there_are_lost() {
    let keeper = keeper();
    let killed = waiter(0);
    let waiting = waiter(0);
    every_cpu_goes_on();

    check!(kill_program(killed.program) == Ok(0), "KillProgram");
    let end = end_within(PATIENCE);
    check!(end.cause == EndCause::Killed as u64, "the program that was killed: {end:x?}");
    every_cpu_goes_on();

    let end = end_within(DISK_PATIENCE);
    is_lost(&end, SWAP_WAITER_PAGES);
    println!("swap_silent: the program that waited ended: {end}");

    // Nobody waits for a disk that was given up.
    let read = read_memory(keeper.program, SWAP_ERROR_PAGES, &mut [0; 8]);
    check!(read == Err(Error::BadAddress), "ReadMemory: {read:?}");
    is_lost(&end_within(PATIENCE), 1);
    [keeper, killed, waiting].into_iter().for_each(forget);
}

/// A program that never runs, one page of which is on the disk.
fn keeper() -> Suspended {
    let child = child("hello", 0, Kernel::cpu_number());
    let mapped = map_into(child.program, SWAP_ERROR_PAGES, PAGE_SIZE);
    check!(mapped == Ok(SWAP_ERROR_PAGES), "MapInto: {mapped:?}");
    let written = write_memory(child.program, SWAP_ERROR_PAGES, b"kept");
    check!(written == Ok(4), "WriteMemory: {written:?}");
    let gone = swap_out(child.program, SWAP_ERROR_PAGES, PAGE_SIZE);
    check!(gone == Ok(PAGE_SIZE), "SwapOut: {gone:?}");
    child
}

/// A program whose threads wait for pages, on all CPUs.
fn waiter(first_page: u64) -> Suspended {
    let child = child("swap_waiter", first_page, Kernel::cpu_number());
    start(child, None);
    let threads = || list_threads(child.program, &mut [ThreadInformation::default(); 64]);
    check!(wait_until(PATIENCE, || threads() == Ok(cpus() + 1)), "its threads: {:?}", threads());
    // Nothing tells that they do not come back: time in which they would.
    Kernel::sleep(A_WHILE);
    check!(threads() == Ok(cpus() + 1), "its threads, after a while: {:?}", threads());
    child
}

fn end_within(nanoseconds: u64) -> ProgramEnd {
    match Kernel::wait_program(nanoseconds) {
        Ok(Some(end)) => end,
        other => programs::wrong(file!(), format_args!("no program ends: {other:?}")),
    }
}

/// The end is for one of the pages, which the disk did not bring.
fn is_lost(end: &ProgramEnd, pages: u64) {
    let lost = end.cause == EndCause::PageLost as u64 && end.status == PageLoss::InputOutput as u64;
    let range = SWAP_ERROR_PAGES..SWAP_ERROR_PAGES + pages * PAGE_SIZE;
    check!(lost && range.contains(&end.address), "{end:x?}");
}

/// Threads of this program run on every CPU, sleep there, and get memory.
fn every_cpu_goes_on() {
    for cpu in 0..cpus() {
        let thread = Thread::spawn(work, cpu, cpu);
        let Ok(thread) = thread else { programs::wrong(file!(), format_args!("CPU {cpu}: {thread:?}")) };
        let status = thread.join(PATIENCE);
        check!(status == Some(0), "CPU {cpu}: {status:?}");
    }
}

fn work(cpu: u64) -> u64 {
    let memory = Memory::map(PAGE_SIZE);
    let Ok(memory) = memory else { programs::wrong(file!(), format_args!("no memory: {memory:?}")) };
    // SAFETY: the page was mapped just now.
    unsafe { write_page(memory.address(), cpu, 3) };
    // The CPU has to wake a thread, too.
    Kernel::sleep(MILLISECOND);
    // SAFETY: nobody else uses the page.
    u64::from(unsafe { page_difference(memory.address(), cpu, 3) }.is_some())
}

/// What cannot go stays as it was.
fn pages_stay() {
    let memory = Memory::map(PAGE_SIZE);
    let Ok(memory) = memory else { programs::wrong(file!(), format_args!("no memory: {memory:?}")) };
    // SAFETY: the page was mapped just now.
    unsafe { write_page(memory.address(), 1, 2) };
    let gone = swap_out(SLOT_OWN_PROGRAM, memory.address(), PAGE_SIZE);
    check!(gone == Ok(0), "SwapOut: {gone:?}");
    // SAFETY: nobody else uses the page.
    let difference = unsafe { page_difference(memory.address(), 1, 2) };
    check!(difference.is_none(), "{difference:x?}");
}
