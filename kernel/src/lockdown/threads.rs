//! Threads that wait: what the report says of them beneath the CPU that they ran on last.

use core::fmt::{self, Write};

use percpu::CpuIndex;

use crate::program::list;
use crate::thread::Wait;

/// The most threads of one CPU that are told.
const MOST: usize = 32;

/// Prints a line for each thread of the CPU that waits for somebody. Takes no lock for which it would have to wait: what is locked
/// by a CPU that was stopped is passed over, and that is said.
///
/// Only while all CPUs stand still.
pub(super) fn print_waiting(cpu: CpuIndex, out: &mut dyn Write) -> fmt::Result {
    let (mut told, mut left_out, mut result) = (0, 0, Ok(()));
    let mut locked = false;
    let listed = list::for_each_if_free(|program| {
        let Some(life) = program.life_if_free() else {
            locked = true;
            return;
        };
        let threads = life.threads.iter().filter_map(|(_, thread)| thread.upgrade());
        for thread in threads.filter(|thread| thread.cpu() == cpu && thread.wait() != Wait::Nothing) {
            if told == MOST {
                left_out += 1;
                continue;
            }
            told += 1;
            let (number, wait) = (thread.number(), thread.wait());
            let line =
                writeln!(out, "  thread {number} of program {} ({}) waits {wait}", program.name(), program.number());
            result = result.and(line);
        }
    });
    result?;
    if left_out > 0 {
        writeln!(out, "  ({left_out} waiting threads more)")?;
    }
    if locked || !listed {
        writeln!(out, "  (lists of threads are locked, so waiting threads may be missing here)")?;
    }
    Ok(())
}
