//! The kernel's default first program: shows how every CPU came up, lets all CPUs take faults of every kind and
//! system calls by both entry points at once, with a pager on each CPU and a debugger for those that are messages, and compares
//! what the kernel and the handlers counted with what was done.
//!
//! Programs of the person who runs it (`user/…` in the boot archive) run before that, and are told but not judged.
#![cfg_attr(target_os = "none", no_std, no_main)]

mod bring_up;
mod counters;
mod handlers;
mod names;
mod plan;
mod problems;
mod record;
mod tables;
mod user_programs;
mod verdict;
mod work;

use gatehouse_runtime::abi::{Error, SystemInformation};
use gatehouse_runtime::array::MappedArray;
use gatehouse_runtime::{Kernel, entry, println, time};

use crate::counters::{Reading, Tally};
use crate::handlers::Handlers;
use crate::plan::Plan;
use crate::problems::Problems;
use crate::verdict::Verdict;

entry!(run);

/// The verdict when the demonstration could not even be made.
const FAIL: u64 = 1;

/// How long ended programs may take until the kernel has freed everything of theirs.
const SETTLING: u64 = 2 * time::SECOND;

fn run(_argument: u64) -> u64 {
    let verdict = demonstrate().unwrap_or_else(|error| {
        println!("the demonstration cannot be made: {error:?}");
        FAIL
    });
    programs::finish(verdict)
}

/// Everything, in order; answers the machine's verdict.
///
/// # Errors
/// A system call without which there is nothing to show was refused.
fn demonstrate() -> Result<u64, Error> {
    let here = Kernel::cpu_number();
    let system = Kernel::system_information()?;
    let cpus = usize::try_from(system.cpus_online).map_err(|_| Error::InvalidArgument)?;
    let mut problems = Problems::none();

    // All memory is mapped here, so that what is in use before and after the work can be compared.
    let mut before = MappedArray::filled(cpus, Reading::default())?;
    let mut after = MappedArray::filled(cpus, Reading::default())?;
    let mut expected = MappedArray::filled(cpus, Tally::default())?;
    let mut line = record::line_for(cpus)?;
    let plan = Plan::new(system.cpus_online);
    let mut slots = work::Slots::new(&plan)?;
    let handlers = Handlers::start(&plan, here)?;

    counters::read(&mut before, handlers.places())?;
    tables::bring_up(&before);
    bring_up::check(&before, &mut problems);

    let still_running = user_programs::run(system.cpus_online)?;

    settle(|now| now.programs == system.programs + still_running);
    let system_before = Kernel::system_information()?;
    counters::read(&mut before, handlers.places())?;
    let started = Kernel::clock();
    work::run(&plan, &mut slots, &handlers, &mut expected, &mut problems)?;
    let nanoseconds = Kernel::clock().saturating_sub(started);
    settle(|now| {
        (now.programs, now.threads, now.frames_in_use, now.heap_bytes_in_use)
            == (
                system_before.programs,
                system_before.threads,
                system_before.frames_in_use,
                system_before.heap_bytes_in_use,
            )
    });
    counters::read(&mut after, handlers.places())?;
    let system_after = Kernel::system_information()?;

    if Kernel::cpu_number() != here {
        problems.tell(format_args!("the first program was moved from CPU {here} to CPU {}", Kernel::cpu_number()));
    }
    // The calls of this program itself, between the two readings of its own CPU.
    counters::add_own_calls(&mut expected, &before, &after, here);

    let verdict =
        Verdict::new(&before, &after, &expected, &system_before, &system_after, nanoseconds, still_running == 0);
    tables::by_cpu(&before, &after);
    tables::by_kind(&verdict);
    verdict.judge(&mut problems);
    let verdict = record::result(&mut line, &verdict, &problems)?;
    Ok(verdict)
}

/// Waits until programs that have ended are gone from the kernel's books. If it takes too long, the comparison tells.
fn settle(done: impl Fn(&SystemInformation) -> bool) {
    let _ = time::wait_until(SETTLING, || Kernel::system_information().is_ok_and(|system| done(&system)));
}
