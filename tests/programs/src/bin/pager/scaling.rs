//! How many page faults two CPUs do in the time of one, each with a pager and a client of its own. Times are the host's: the
//! ratio says something only where the host has a processor for each CPU, and nothing else to do.

use gatehouse_runtime::{Kernel, println};
use programs::check;

use crate::PAGES;
use crate::clients::{Clients, Kind};

/// How often each number of CPUs is measured, in turn.
const TURNS: usize = 7;

pub(crate) fn run(count: usize, rounds: u64) {
    check!(count >= 2, "to compare one CPU with two takes two");
    let faults = rounds * PAGES;
    let (mut one, mut two) = ([0; TURNS], [0; TURNS]);
    for (one, two) in one.iter_mut().zip(&mut two) {
        *one = nanoseconds(1, rounds);
        *two = nanoseconds(2, rounds);
    }
    one.sort_unstable();
    two.sort_unstable();
    let (one, two) = (one[TURNS / 2], two[TURNS / 2]);
    let per_second = |faults: u64, nanoseconds: u64| faults * 1_000_000_000 / nanoseconds.max(1);
    // Twice the work in the time of `two`, as hundredths.
    let ratio = 200 * one / two.max(1);
    println!(
        "pager: {} page faults a second on 1 CPU, {} on 2 CPUs: {}.{:02} times as many, of {faults} a CPU, medians of {TURNS}",
        per_second(faults, one),
        per_second(2 * faults, two),
        ratio / 100,
        ratio % 100
    );
}

/// How long so many clients take, each on a CPU of its own.
fn nanoseconds(clients: u64, rounds: u64) -> u64 {
    let start = Kernel::clock();
    let mut running = Clients::new(clients as usize);
    (0..clients).for_each(|cpu| running.start(Kind::Fresh, PAGES << 32 | rounds, cpu));
    let tally = running.wait();
    let elapsed = Kernel::clock() - start;
    let resolved = tally[Kind::Fresh as usize].fresh;
    check!(resolved == clients * rounds * PAGES, "{resolved} faults");
    elapsed
}
