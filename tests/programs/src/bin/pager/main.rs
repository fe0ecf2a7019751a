//! Pagers in user space: a first program with a pager thread on each CPU and, beside it, clients whose page faults it resolves:
//! with fresh pages, with an image that all clients share until they write, and with stacks that grow.
//!
//! With `pager=one` on the command line a single pager, on the first CPU, serves the clients of all CPUs. `faults=N` is how
//! many page faults the client of fresh pages on each CPU takes, at least. With `scaling` it compares how many page faults
//! one CPU and two CPUs do in the same time.
#![cfg_attr(target_os = "none", no_std, no_main)]

mod clients;
mod pagers;
mod scaling;

use gatehouse_runtime::{Kernel, entry, println};
use programs::{IMAGE_PAGES, check, cpus, in_use, nothing_is_left, number_in, settled};

use clients::{Clients, Kind};
use pagers::{MAX_PAGERS, Tally};

entry!(run);

/// Pages that a client of fresh pages touches in a round.
const PAGES: u64 = 64;
/// Rounds of the clients of the image.
const IMAGE_ROUNDS: u64 = 16;

fn run(_argument: u64) -> u64 {
    let mut buffer = [0; 1024];
    let line = Kernel::command_line(&mut buffer).unwrap_or("");
    let has = |wanted| line.split_whitespace().any(|word| word == wanted);
    let faults = number_in(line, "faults=");
    let count = (cpus() as usize).min(MAX_PAGERS);
    let pagers = if has("pager=one") { 1 } else { count };
    pagers::start(pagers);
    if has("scaling") {
        scaling::run(count, faults.unwrap_or(20_000).div_ceil(PAGES));
    } else {
        resolve_everything(count, pagers, faults.unwrap_or(4_096).div_ceil(PAGES));
    }
    // The pager threads wait for faults that do not come: ending the program ends them there.
    Kernel::exit_program(0)
}

/// Clients of every kind on each CPU.
fn resolve_everything(count: usize, pagers: usize, rounds: u64) {
    // Once for the tables that grow with what is in them, and stay so.
    all_kinds(count, pagers, 1);
    let before = settled();
    let start = Kernel::clock();
    let tally = all_kinds(count, pagers, rounds);
    let milliseconds = (Kernel::clock() - start) / 1_000_000;
    nothing_is_left(&before);
    let kept = in_use().frames_in_use.wrapping_sub(before.frames_in_use) as i64;
    println!(
        "pager: {} page faults of {count} clients resolved by {pagers} pagers in {milliseconds} ms, {kept} frames kept",
        tally[Kind::Fresh as usize].fresh
    );
    let image = tally[Kind::Image as usize];
    println!(
        "pager: {} pages of the image shared, {} copied, for {} clients; {} faults came second",
        image.shared,
        image.copied,
        2 * count,
        image.already
    );
    println!(
        "pager: {count} stacks grew to {} pages in all, and {} grew past their limit",
        tally[Kind::Stack as usize].fresh,
        tally[Kind::Overflow as usize].overflows
    );
}

/// Clients of all kinds at once, and what became of their faults, by kind.
fn all_kinds(count: usize, pagers: usize, rounds: u64) -> [Tally; Kind::COUNT] {
    let mut clients = Clients::new(pagers);
    for cpu in 0..count as u64 {
        clients.start(Kind::Fresh, PAGES << 32 | rounds, cpu);
        clients.start(Kind::Image, (cpu * 2) << 32 | IMAGE_ROUNDS, cpu);
        clients.start(Kind::Image, (cpu * 2 + 1) << 32 | IMAGE_ROUNDS, cpu);
        clients.start(Kind::Stack, clients::DEPTH, cpu);
        clients.start(Kind::Overflow, u64::MAX, cpu);
    }
    let tally = clients.wait();
    let count = count as u64;
    let fresh = tally[Kind::Fresh as usize];
    let expected = count * rounds * PAGES;
    check!(fresh == Tally { fresh: expected, ..Tally::default() }, "{fresh:?}, expected {expected}");
    let image = tally[Kind::Image as usize];
    // Two thirds of the pages are read first, two thirds are written, each once in a round whichever thread comes first.
    let expected = 2 * count * IMAGE_ROUNDS * IMAGE_PAGES * 2 / 3;
    check!(image.shared == expected && image.copied == expected, "{image:?}, expected {expected}");
    check!(image.fresh == 0 && image.overflows == 0, "{image:?}");
    check!(tally[Kind::Overflow as usize].overflows == count, "{:?}", tally[Kind::Overflow as usize]);
    pagers::image_is_untouched();
    tally
}
