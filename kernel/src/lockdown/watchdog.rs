//! The watchdog: a CPU that has had its interrupts off for too long is found by another one, and told of.
//!
//! Each CPU looks at the next one, in the order of indices and round again, by a timer of its own. It compares how many
//! interrupts that CPU has taken with what it saw before: a CPU that takes interrupts has them on. Only one that has taken
//! none is sent one, since it may have no reason to take any. So a busy machine sends nothing, an idle one an IPI for each
//! CPU now and then, and nothing is added to the way of any interrupt.
//!
//! One that has not taken that within the limit is sent an NMI. The context which that interrupts says whether interrupts are
//! off (a CPU that its host does not run has them on, and is well), and where: it is printed with the backtrace.

use alloc::sync::Arc;
use core::cell::{Cell, OnceCell};
use core::fmt;

use gatehouse_core::cpu::watchdog::{Finding, LOOKS, WatchdogVerdict, Watched};
use percpu::{CpuIndex, CpuLocal, per_cpu};
use smp::ipi::Kind;
use spin::Once;

use super::{DumpError, dump_if};
use crate::arch::{Arch, ArchTrap as _, KernelInterrupt};
use crate::clock::moment_after;
use crate::console;
use crate::cpu::{self, Cpu, LastEntry, ThisCpu};
use crate::ipi::kick;
use crate::sched::Next;
use crate::time::{Action, Timer};

/// How long a CPU may have its interrupts off unless the command line says otherwise, in seconds. Far above what hosts keep
/// a virtual CPU from running.
pub const DEFAULT_LIMIT_SECONDS: u64 = 20;

/// The limit, in nanoseconds.
static LIMIT: Once<u64> = Once::new();

per_cpu! {
    /// Which watches another CPU.
    static WATCHDOG: CpuLocal<Watchdog> = Watchdog::new();
}

/// One CPU's watchdog.
#[derive(Debug)]
struct Watchdog {
    timer: OnceCell<Arc<Timer>>,
    watched: Cell<Watched>,
}

impl Watchdog {
    const fn new() -> Self {
        Self { timer: OnceCell::new(), watched: Cell::new(Watched::new()) }
    }
}

/// Makes the limit known, in seconds; 0 turns the watchdog off. Once, before any CPU starts its own.
pub fn set_limit(seconds: u64) {
    LIMIT.call_once(|| seconds.saturating_mul(1_000_000_000));
}

/// Starts the calling CPU's watchdog, unless it is turned off or there is nobody to watch.
pub fn start(cpu: &ThisCpu) {
    let Some(limit) = LIMIT.get().copied().filter(|limit| *limit > 0) else { return };
    if cpu::all().len() > 1 {
        let timer = WATCHDOG.of(cpu).timer.get_or_init(|| new_timer(cpu, limit));
        timer.set(cpu, moment_after(limit.div_ceil(LOOKS.into())));
    }
}

/// What a CPU looks by: made when it starts.
fn new_timer(cpu: &ThisCpu, limit: u64) -> Arc<Timer> {
    Timer::new(cpu.index(), Action::Call(look, limit))
        .unwrap_or_else(|error| panic!("cannot start the watchdog of CPU {}: {error}", cpu.index()))
}

/// Interrupts that a CPU has taken.
fn interrupts(block: Cpu) -> u64 {
    [KernelInterrupt::Timer, KernelInterrupt::OtherCpu]
        .into_iter()
        .map(|interrupt| block.entries().entries(usize::from(interrupt.number())))
        .sum()
}

/// The timer's action.
fn look(cpu: &ThisCpu, limit: u64) -> Next {
    let watchdog = WATCHDOG.of(cpu);
    if let Some(target) = next_online(cpu.index()) {
        let mut watched = watchdog.watched.get();
        match watched.look(interrupts(target)) {
            Finding::Well => {}
            Finding::Ask => kick(cpu, target, Kind::Ping),
            Finding::Suspect => watched.suspected(ask(cpu, target, limit)),
            Finding::Recovered => {
                console::line(format_args!("watchdog: CPU {} takes interrupts again", target.index()));
            }
        }
        watchdog.watched.set(watched);
    }
    start(cpu);
    Next::Stay
}

/// The next CPU that is online; none if this is the only one.
fn next_online(index: CpuIndex) -> Option<Cpu> {
    let all = cpu::all();
    let after = all.iter().cycle().skip(index.as_usize().saturating_add(1)).take(all.len().saturating_sub(1));
    after.copied().find(|block| block.is_online())
}

/// Asks a CPU by NMI, and tells of it if its interrupts are off.
#[cold]
fn ask(cpu: &ThisCpu, target: Cpu, limit: u64) -> WatchdogVerdict {
    let stuck = StuckCpu { block: target, limit };
    match dump_if(cpu, target, format_args!("{stuck}\n"), |frame| !Arch::takes_interrupts(frame)) {
        Ok(true) => WatchdogVerdict::Stuck,
        Ok(false) => WatchdogVerdict::Well,
        Err(DumpError::Busy) => WatchdogVerdict::NotAsked,
        Err(DumpError::Silent) => {
            console::line(format_args!("{stuck}; it does not answer an NMI"));
            WatchdogVerdict::Stuck
        }
    }
}

/// What is told of a CPU.
struct StuckCpu {
    block: Cpu,
    /// Nanoseconds.
    limit: u64,
}

impl fmt::Display for StuckCpu {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (index, milliseconds) = (self.block.index(), self.limit / 1_000_000);
        write!(out, "watchdog: CPU {index} has taken no interrupt for {milliseconds} ms; it {}", LastEntry(self.block))
    }
}
