//! Writes more to the console than whoever listens takes at once, from two CPUs.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::{Kernel, entry, println};
use programs::{check, run_threads};

entry!(run);

/// Lines of each CPU, with the padding about 100 bytes each.
const LINES: u64 = 1500;
const PADDING: &str = "................................................................................";

fn run(_: u64) -> u64 {
    let wrong = run_threads(&[(chatter, 0), (chatter, 1)]);
    let information = Kernel::system_information();
    check!(information.is_ok(), "{information:?}");
    if let Ok(information) = information {
        println!("console_chatter: {} waited, {} dropped", information.console_queued, information.console_dropped);
    }
    wrong
}

fn chatter(cpu: u64) -> u64 {
    for number in 0..LINES {
        println!("chatter {cpu} {number} {PADDING}");
    }
    0
}
