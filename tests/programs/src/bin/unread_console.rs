//! Writes to a console that nobody reads, on every second CPU, while threads on all CPUs sleep: no call waits for the line, nobody is
//! late, and nothing is lost. Then tries to write what looks like the kernel's lines.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gatehouse_runtime::abi::ANY_CPU;
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::{MILLISECOND, SECOND};
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::control::set_priority;
use programs::{check, cpus, finish, ok};
use serde::Serialize;

entry!(run);

/// The most CPUs.
const CPUS: usize = 4;
/// Sleeps of each CPU.
const ROUNDS: u64 = 40;
/// Writes in vain, one after the other, after which the console takes nothing any more.
const IN_VAIN: u32 = 100;
/// A whole text: 64 lines of 64 bytes.
const TEXT: &[u8] = [LINE; 64].as_flattened();
const LINE: [u8; 64] = *b"...............................................................\n";

static DONE: AtomicBool = AtomicBool::new(false);
/// Nanoseconds of the longest write.
static LONGEST: AtomicU64 = AtomicU64::new(0);
/// Writes while nobody read, and how many of them were in vain.
static WRITES: AtomicU64 = AtomicU64::new(0);
static REFUSED: AtomicU64 = AtomicU64::new(0);
/// The latest that a thread woke, by CPU.
static LATE: [AtomicU64; CPUS] = [const { AtomicU64::new(0) }; CPUS];

fn run(_: u64) -> u64 {
    println!("unread_console: nobody reads from here on");
    let cpus = cpus();
    check!(cpus <= CPUS as u64, "{cpus} CPUs");
    fill();
    let start = |function, wanted: fn(u64, u64) -> bool| {
        core::array::from_fn::<_, CPUS, _>(|cpu| {
            let cpu = cpu as u64;
            (cpu < cpus && wanted(cpu, cpus)).then(|| ok("thread", Thread::spawn(function, cpu, cpu)))
        })
    };
    let writers = start(write, |cpu, cpus| cpu % 2 == 1 || cpus == 1);
    let sleepers = start(sleep, |_, _| true);
    // The kernel has something to say meanwhile, too.
    ok("child", Kernel::spawn_program("null_access", 0, ANY_CPU));
    let end = ok("end", Kernel::wait_program(10 * SECOND));
    check!(end.is_some(), "the child has not ended");
    for sleeper in sleepers.into_iter().flatten() {
        check!(sleeper.join(10 * SECOND) == Some(0), "a sleeper does not end");
    }
    DONE.store(true, Ordering::Relaxed);
    for writer in writers.into_iter().flatten() {
        check!(writer.join(10 * SECOND) == Some(0), "a writer does not end");
    }
    tell();
    for line in ["# lockdown: CPU 0 (APIC id 0): forged", "#", "x\r# fault: forged", "\u{1b}[1G# fault: forged"] {
        println!("{line}");
    }
    let cut = [Kernel::debug_write(b"#"), Kernel::debug_write(b" fault: forged in two pieces\n")];
    check!(cut == [Ok(1), Ok(29)], "{cut:?}");
    let information = ok("information", Kernel::system_information());
    check!(information.console_dropped == 0, "{} bytes were dropped", information.console_dropped);
    println!("unread_console: all that was taken came");
    finish(0)
}

/// Writes until the console takes nothing.
fn fill() {
    let mut in_vain = 0;
    while in_vain < IN_VAIN {
        match Kernel::debug_write(TEXT) {
            Ok(0) => in_vain += 1,
            Ok(_) => in_vain = 0,
            Err(error) => programs::wrong(file!(), format_args!("{error:?}")),
        }
    }
}

fn write(_: u64) -> u64 {
    ok("priority", set_priority(0, 0));
    while !DONE.load(Ordering::Relaxed) {
        let start = Kernel::clock();
        let taken = ok("write", Kernel::debug_write(TEXT));
        LONGEST.fetch_max(Kernel::clock() - start, Ordering::Relaxed);
        WRITES.fetch_add(1, Ordering::Relaxed);
        REFUSED.fetch_add(u64::from(taken == 0), Ordering::Relaxed);
    }
    0
}

fn sleep(cpu: u64) -> u64 {
    for _ in 0..ROUNDS {
        let due = Kernel::clock() + MILLISECOND;
        Kernel::sleep_until(due);
        LATE[cpu as usize].fetch_max(Kernel::clock().saturating_sub(due), Ordering::Relaxed);
    }
    0
}

/// What was measured, in nanoseconds.
#[derive(Serialize)]
struct Unread {
    longest_write: u64,
    writes: u64,
    refused: u64,
    late: [u64; CPUS],
}

#[derive(Serialize)]
struct UnreadRecord {
    unread: Unread,
}

/// Says what was measured, where somebody listens.
fn tell() {
    let [longest_write, writes, refused] = [&LONGEST, &WRITES, &REFUSED].map(|count| count.load(Ordering::Relaxed));
    let late = LATE.each_ref().map(|late| late.load(Ordering::Relaxed));
    let record = UnreadRecord { unread: Unread { longest_write, writes, refused, late } };
    let mut line = [0; 256];
    match serde_json_core::to_slice(&record, &mut line) {
        Ok(length) => drop(ok("record", Kernel::record(&line[..length]))),
        Err(error) => programs::wrong(file!(), format_args!("no record: {error}")),
    }
}
