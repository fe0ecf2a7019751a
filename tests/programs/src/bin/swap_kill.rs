//! Programs that end while their pages are on their way: a first program that starts workers which use more memory than
//! there is, and kills them in the middle of it. All memory and all slots must come back.
//!
//! On the command line: `rounds=N` (3), `percent=N` of the free memory that the workers use together (200).
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::EndCause;
use gatehouse_runtime::time::{SECOND, wait_until};
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::control::kill_program;
use programs::raw::message::{delete_capability, first_utcb, resume_thread, spawn_suspended};
use programs::{check, cpus, finish};

entry!(run);

/// How long the workers may take until enough pages are on their way.
const PATIENCE: u64 = 150 * SECOND;
/// The most workers, and the most pages of each.
const MOST: usize = 16;
const MOST_PAGES: u64 = 31 * 1024;

fn run(_argument: u64) -> u64 {
    let mut buffer = [0; 1024];
    let line = Kernel::command_line(&mut buffer).unwrap_or("");
    let number = |key: &str| line.split_whitespace().find_map(|word| word.strip_prefix(key)?.parse::<u64>().ok());
    let rounds = number("rounds=").unwrap_or(3);
    let percent = number("percent=").unwrap_or(200);
    let count = (cpus() as usize).min(MOST);
    let Ok(before) = Kernel::system_information() else { return 1 };
    let free = before.frames_total - before.frames_in_use;
    let each = (free * percent / 100 / count as u64).min(MOST_PAGES);
    let mut expected = 0;
    for round in 0..rounds {
        let pages = (round + 1) * each / 4;
        kill_workers(count, each, pages);
        expected += pages;
    }
    let back = wait_until(10 * SECOND, || {
        let frames = Kernel::system_information().map_or(u64::MAX, |after| after.frames_in_use);
        // This program's own pages may be swapped out, and need a slot each; it has no more than a hundred.
        let slots = Kernel::swap_information().map_or(u64::MAX, |swap| swap.slots_in_use);
        frames <= before.frames_in_use && slots <= 100
    });
    let swap = Kernel::swap_information();
    check!(back, "{before:?}, then {:?} and {swap:?}", Kernel::system_information());
    let Ok(swap) = swap else { return 1 };
    check!(swap.pages_out >= expected && swap.corrupt == 0 && swap.disk_errors == 0, "{swap:?}");
    println!("swap_kill: {} programs killed, {} pages out, all memory is back", rounds * count as u64, swap.pages_out);
    finish(0)
}

/// Pages that went since the start.
fn pages_out() -> u64 {
    Kernel::swap_information().map_or(0, |swap| swap.pages_out)
}

/// Starts a worker on each CPU and kills all of them once so many pages have gone: more are on their way then.
fn kill_workers(count: usize, pages: u64, gone: u64) {
    let before = pages_out();
    // SAFETY: only the first thread comes here.
    let utcb = unsafe { first_utcb() };
    let mut started = [None; MOST];
    for (cpu, place) in started.iter_mut().enumerate().take(count) {
        let worker = spawn_suspended("swap_worker", 600 << 32 | pages, cpu as u64, &utcb);
        let Ok(worker) = worker else { programs::wrong(file!(), format_args!("no worker: {worker:?}")) };
        let resumed = resume_thread(worker.thread);
        check!(resumed == Ok(0), "ResumeThread: {resumed:?}");
        *place = Some(worker);
    }
    let busy = wait_until(PATIENCE, || pages_out() - before >= gone);
    check!(busy, "only {} pages went, not {gone}", pages_out() - before);
    for worker in started.iter().flatten() {
        let killed = kill_program(worker.program);
        check!(killed == Ok(0), "KillProgram: {killed:?}");
    }
    for _ in 0..count {
        let end = Kernel::wait_program(100 * SECOND);
        let Ok(Some(end)) = end else { programs::wrong(file!(), format_args!("a worker does not end: {end:?}")) };
        check!(end.cause == EndCause::Killed as u64, "{end:x?}");
    }
    for worker in started.iter().flatten() {
        for slot in [worker.program, worker.thread] {
            let deleted = delete_capability(slot);
            check!(deleted.is_ok(), "{deleted:?}");
        }
    }
}
