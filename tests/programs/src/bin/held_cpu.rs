//! A CPU is kept in the kernel with its interrupts off, for so many milliseconds as `held=N` on the command line says. To be
//! run as the first program, with the words `test-hooks` and `watchdog=1`; what the kernel prints meanwhile is for the test to
//! look at.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::TestHook;
use gatehouse_runtime::test_hook::test_hook;
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::{MILLISECOND, SECOND};
use gatehouse_runtime::{Kernel, entry, println};
use programs::{check, cpus};

entry!(run);

fn run(_argument: u64) -> u64 {
    let mut buffer = [0; 1024];
    let line = Kernel::command_line(&mut buffer).unwrap_or("");
    let wanted = line.split_whitespace().find_map(|word| word.strip_prefix("held=")?.parse::<u64>().ok());
    let last = cpus() - 1;
    let start = Kernel::clock();
    let held = Thread::spawn(hold, wanted.unwrap_or(3000), last);
    let Ok(held) = held else { programs::wrong(file!(), format_args!("no thread on CPU {last}: {held:?}")) };
    check!(held.join(60 * SECOND) == Some(0), "CPU {last} is not held");
    // Time for the watchdog to see that the CPU is back: it tells the console, where no program looks.
    Kernel::sleep(SECOND);
    println!("held_cpu: CPU {last} was held, {} ms in all", (Kernel::clock() - start) / MILLISECOND);
    0
}

fn hold(milliseconds: u64) -> u64 {
    // SAFETY: the hook only takes time.
    let answer = unsafe { test_hook(TestHook::Hold, milliseconds * MILLISECOND) };
    check!(answer == Ok(0), "the hook: {answer:?}");
    0
}
