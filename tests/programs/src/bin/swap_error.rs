//! A page that cannot be swapped in ends the program that owned it, with the reason, and nobody else: a first program. The
//! page is the first one that is swapped out; what becomes of it is arranged from outside.
//!
//! On the command line: `lost=N`, the reason that is expected (a `PageLoss` as a number, 0 for none), and `reader=parent` if
//! the program's parent is to touch the page, and not the program itself.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{EndCause, Error, ProgramEnd, SLOT_OWN_PROGRAM};
use gatehouse_runtime::memory::{Memory, PAGE_SIZE};
use gatehouse_runtime::time::SECOND;
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::message::{
    delete_capability, first_utcb, map_into, read_memory, resume_thread, spawn_suspended, swap_out, write_memory,
};
use programs::{SWAP_ERROR_PAGES, check, finish, page_difference, write_page};

entry!(run);

fn run(_argument: u64) -> u64 {
    let mut buffer = [0; 1024];
    let line = Kernel::command_line(&mut buffer).unwrap_or("");
    let lost = line.split_whitespace().find_map(|word| word.strip_prefix("lost=")?.parse::<u64>().ok()).unwrap_or(0);
    let end = if line.contains("reader=parent") { read_by_parent(lost) } else { read_by_itself() };
    println!("swap_error: the program ended: {end}");
    match lost {
        0 => check!(end.cause == EndCause::Exited as u64 && end.status == 0, "{end:x?}"),
        _ => {
            check!(end.cause == EndCause::PageLost as u64 && end.status == lost, "{end:x?}");
            let address = end.address & !(PAGE_SIZE - 1);
            check!(address == SWAP_ERROR_PAGES, "the page at {address:#x} was lost");
        }
    }
    bystander();
    finish(0)
}

fn wait() -> ProgramEnd {
    match Kernel::wait_program(60 * SECOND) {
        Ok(Some(end)) => end,
        other => programs::wrong(file!(), format_args!("the program does not end: {other:?}")),
    }
}

fn read_by_itself() -> ProgramEnd {
    let started = Kernel::spawn_program("swap_victim", 0, Kernel::cpu_number());
    check!(started.is_ok(), "{started:?}");
    wait()
}

/// The page is one of a program that does not run yet.
fn read_by_parent(lost: u64) -> ProgramEnd {
    // SAFETY: only the first thread comes here.
    let utcb = unsafe { first_utcb() };
    let child = spawn_suspended("hello", 0, Kernel::cpu_number(), &utcb);
    let Ok(child) = child else { programs::wrong(file!(), format_args!("no program: {child:?}")) };
    let mapped = map_into(child.program, SWAP_ERROR_PAGES, PAGE_SIZE);
    check!(mapped == Ok(SWAP_ERROR_PAGES), "MapInto: {mapped:?}");
    let text = [b'x'; 100];
    let written = write_memory(child.program, SWAP_ERROR_PAGES, &text);
    check!(written == Ok(100), "WriteMemory: {written:?}");
    let gone = swap_out(child.program, SWAP_ERROR_PAGES, PAGE_SIZE);
    check!(gone == Ok(PAGE_SIZE), "SwapOut: {gone:?}");
    let mut back = [0; 100];
    let read = read_memory(child.program, SWAP_ERROR_PAGES, &mut back);
    if lost == 0 {
        check!(read == Ok(100) && back == text, "ReadMemory: {read:?}");
        let resumed = resume_thread(child.thread);
        check!(resumed == Ok(0), "{resumed:?}");
    } else {
        check!(read == Err(Error::BadAddress), "ReadMemory: {read:?}");
    }
    let end = wait();
    for slot in [child.program, child.thread] {
        let deleted = delete_capability(slot);
        check!(deleted.is_ok(), "{deleted:?}");
    }
    end
}

/// This program's own pages go and come as if nothing had happened.
fn bystander() {
    let memory = Memory::map(8 * PAGE_SIZE);
    let Ok(memory) = memory else { programs::wrong(file!(), format_args!("no memory: {memory:?}")) };
    for page in 0..8 {
        // SAFETY: the pages were mapped just now.
        unsafe { write_page(memory.address() + page * PAGE_SIZE, page, 2) };
    }
    let gone = swap_out(SLOT_OWN_PROGRAM, memory.address(), memory.length());
    check!(gone == Ok(memory.length()), "SwapOut: {gone:?}");
    for page in 0..8 {
        // SAFETY: nobody else uses the pages.
        let difference = unsafe { page_difference(memory.address() + page * PAGE_SIZE, page, 2) };
        check!(difference.is_none(), "page {page}: {difference:x?}");
    }
}
