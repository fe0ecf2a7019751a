//! What depends on the number of CPUs: `bench=scale`. The host boots machines of several sizes.

use gatehouse_runtime::Kernel;
use gatehouse_runtime::abi::ALL_OTHER_CPUS;
use gatehouse_runtime::memory::PAGE_SIZE;
use programs::check;
use serde::Serialize;

use crate::shootdown;
use crate::throughput::Frequency;

const PINGS: usize = 21;
/// Pages that are taken away.
const SHOOTDOWNS: usize = 21;

/// A record: one machine.
#[derive(Serialize)]
struct Scale<'a> {
    cpus: u64,
    /// Microseconds from the first instruction of the kernel that reads the clock to this program's first.
    boot_us: u64,
    /// Microseconds from the first INIT to the last CPU online.
    bring_up_us: u64,
    /// Bytes of memory in use by the kernel and this program: frames and heap.
    bytes: u64,
    /// Nanoseconds to interrupt all other CPUs and be answered.
    broadcast: &'a [u64],
    /// Nanoseconds to take a page away from this program, of which a thread runs on each CPU.
    shootdown: &'a [u64],
}

#[derive(Serialize)]
struct Line<'a> {
    scale: Scale<'a>,
}

pub(crate) fn run() {
    let boot_us = Kernel::clock() / 1000;
    let system = Kernel::system_information();
    let Ok(system) = system else { programs::wrong(file!(), format_args!("{system:?}")) };
    let mut frequency = Frequency::begin();
    let mut broadcast = [0; PINGS];
    let pings = if system.cpus_online > 1 { PINGS } else { 0 };
    for sample in broadcast.iter_mut().take(pings) {
        let ticks = Kernel::ping_cpu(ALL_OTHER_CPUS);
        let Ok(ticks) = ticks else { programs::wrong(file!(), format_args!("the others: {ticks:?}")) };
        *sample = frequency.nanoseconds(ticks);
    }
    let mut shootdowns = [0; SHOOTDOWNS];
    shootdown::sample(system.cpus_online - 1, &mut frequency, &mut shootdowns);
    let scale = Scale {
        cpus: system.cpus_online,
        boot_us,
        bring_up_us: system.bring_up_us,
        bytes: system.frames_in_use * PAGE_SIZE + system.heap_bytes_in_use,
        broadcast: &broadcast[..pings],
        shootdown: &shootdowns,
    };
    let mut line = [0; 2048];
    let Ok(length) = serde_json_core::to_slice(&Line { scale }, &mut line) else {
        programs::wrong(file!(), format_args!("a record is too long"))
    };
    let recorded = Kernel::record(&line[..length]);
    check!(recorded.is_ok(), "{recorded:?}");
}
