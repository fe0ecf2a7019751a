//! Random system calls on every CPU, and what they must not change: other programs' memory and registers, what the kernel has
//! in use, and that every CPU answers. A first program; `calls=N` on the command line is how many calls each CPU takes, at
//! least, `seed=N` where the random numbers begin.
#![cfg_attr(target_os = "none", no_std, no_main)]

mod handler;
mod sacrifice;

use gatehouse_runtime::abi::SystemInformation;
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::SECOND;
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::message::{Suspended, write_memory};
use programs::{PAGED_REGION, check, child, cpus, exits_well, forget, number_in, settled, start, wrong};

entry!(run);

/// The most CPUs that it works on.
const MAX_CPUS: usize = 16;
/// The most rounds of calls.
const ROUNDS: u64 = 4;

fn run(_argument: u64) -> u64 {
    let mut buffer = [0; 1024];
    let line = Kernel::command_line(&mut buffer).unwrap_or("");
    let calls = number_in(line, "calls=").unwrap_or(100_000);
    let seed = number_in(line, "seed=").unwrap_or(1);
    let cpus = cpus().min(MAX_CPUS as u64);
    // Tables that grow keep what they took, and how far they grow is a matter of chance: that may be seen once and again, but
    // what is lost with some of the calls would be seen every time.
    round(calls.div_ceil(10), seed, cpus);
    let flat = (1..=ROUNDS).any(|number| {
        let before = settled();
        round(calls, seed + number, cpus);
        let after = settled();
        let counts = |system: &SystemInformation| (system.programs, system.threads, system.frames_in_use);
        let grown = after.heap_bytes_in_use as i64 - before.heap_bytes_in_use as i64;
        check!(counts(&after) == counts(&before), "round {number}: before {before:?}, after {after:?}");
        println!("random_calls: round {number}: the kernel's heap has {grown} bytes more in use");
        grown <= 0
    });
    check!(flat, "the kernel's heap grows with every round");
    println!("random_calls: {calls} and more on each of {cpus} CPUs changed nothing");
    0
}

/// Lets every CPU take so many calls, with witnesses beside.
fn round(calls: u64, seed: u64, cpus: u64) {
    let witnesses: [Option<Suspended>; MAX_CPUS] =
        core::array::from_fn(|cpu| ((cpu as u64) < cpus).then(|| start_witness(cpu as u64)));
    let handler = handler::Handler::start();
    let sum = sacrifice::until(calls, seed, cpus, &handler, &witnesses);
    let faults = handler.end();
    for witness in witnesses.into_iter().flatten() {
        let told = write_memory(witness.program, PAGED_REGION, &1_u64.to_le_bytes());
        check!(told == Ok(8), "the witness is not told: {told:?}");
        exits_well(witness);
        forget(witness);
    }
    (0..cpus).for_each(answers);
    println!(
        "random_calls: seed {seed}: {} calls, {} programs ended by themselves, {} were stuck, {faults} faults handled",
        sum.calls, sum.ended, sum.stuck
    );
}

fn start_witness(cpu: u64) -> Suspended {
    let witness = child("witness", 1000 * (cpu + 1), cpu);
    start(witness, None);
    witness
}

/// A CPU runs a thread of this program, and a program.
fn answers(cpu: u64) {
    match Thread::spawn(|argument| argument + 1, cpu, cpu) {
        Ok(thread) => check!(thread.join(20 * SECOND) == Some(cpu + 1), "CPU {cpu} does not answer"),
        Err(error) => wrong(file!(), format_args!("CPU {cpu} takes no thread: {error:?}")),
    }
}
