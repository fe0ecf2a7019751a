//! All CPUs use twice the memory that there is: a first program that starts a worker on each CPU and looks, in the end,
//! whether pages went and came and whether all memory is back.
//!
//! On the command line: `thrash=SECONDS` (5), `percent=N` of the free memory that the workers use together (200).
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::EndCause;
use gatehouse_runtime::time::{SECOND, wait_until};
use gatehouse_runtime::{Kernel, entry, println};
use programs::{check, cpus, finish};

entry!(run);

/// The most pages of a worker: its quota, with room for tables and stacks.
const MOST_PAGES: u64 = 31 * 1024;

fn run(_argument: u64) -> u64 {
    let mut buffer = [0; 1024];
    let line = Kernel::command_line(&mut buffer).unwrap_or("");
    let number = |key: &str| line.split_whitespace().find_map(|word| word.strip_prefix(key)?.parse::<u64>().ok());
    let seconds = number("thrash=").unwrap_or(5);
    let percent = number("percent=").unwrap_or(200);
    let Ok(before) = Kernel::system_information() else { return 1 };
    let Ok(swap_before) = Kernel::swap_information() else { return 1 };
    let free = before.frames_total - before.frames_in_use;
    let each = (free * percent / 100 / cpus()).min(MOST_PAGES);
    check!(each * cpus() * 100 >= free * percent / 100 * 99, "{free} free frames are too many for programs of 128 MiB");
    println!(
        "swap_thrash: {} MiB in use by {} workers, {} MiB free, store {}",
        each * cpus() / 256,
        cpus(),
        free / 256,
        swap_before.store
    );
    for cpu in 0..cpus() {
        let started = Kernel::spawn_program("swap_worker", seconds << 32 | each, cpu);
        check!(started.is_ok(), "no worker on CPU {cpu}: {started:?}");
    }
    for _ in 0..cpus() {
        let end = Kernel::wait_program((seconds + 300) * SECOND);
        let Ok(Some(end)) = end else { programs::wrong(file!(), format_args!("a worker does not end: {end:?}")) };
        check!(end.cause == EndCause::Exited as u64 && end.status == 0, "{end:x?}");
    }
    let Ok(swap) = Kernel::swap_information() else { return 1 };
    println!(
        "swap_thrash: {} pages out, {} in, {} ms",
        swap.pages_out - swap_before.pages_out,
        swap.pages_in - swap_before.pages_in,
        Kernel::clock() / 1_000_000
    );
    check!(swap.pages_out > swap_before.pages_out + each, "only {} pages went", swap.pages_out);
    check!(swap.pages_in > swap_before.pages_in + each, "only {} pages came", swap.pages_in);
    check!(swap.corrupt == 0, "{} pages were damaged", swap.corrupt);
    // This program's own pages may be swapped out; everybody else's are not.
    let back = wait_until(5 * SECOND, || {
        Kernel::system_information().is_ok_and(|after| after.frames_in_use <= before.frames_in_use)
    });
    check!(back, "{before:?}, then {:?}", Kernel::system_information());
    finish(0)
}
