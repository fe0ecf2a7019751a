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

use percpu::CpuIndex;
use smp::ipi::Kind;
use spin::Once;

use super::{DumpError, dump_if};
use crate::arch::{Arch, ArchTrap as _, KernelInterrupt};
use crate::clock::moment_after;
use crate::console;
use crate::cpu::{self, Block, LastEntry, ThisCpu};
use crate::ipi::poke;
use crate::sched::Next;
use crate::time::{Action, Timer};

/// Looks at another CPU within the limit: the first finds that it takes no interrupts and sends one, the others that it did
/// not take that.
const LOOKS: u32 = 4;

/// How long a CPU may have its interrupts off unless the command line says otherwise, in seconds. Far above what hosts keep
/// a virtual CPU from running.
pub const DEFAULT_LIMIT_SECONDS: u64 = 20;

/// The limit, in nanoseconds.
static LIMIT: Once<u64> = Once::new();

/// What a CPU knows of the one that it watches.
#[derive(Clone, Copy, Debug, Default)]
struct Watched {
    /// The interrupts that it had taken at the last look.
    interrupts: u64,
    /// Looks since then, without another one.
    silent: u32,
    /// It was told of.
    told: bool,
}

/// What a look comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    /// It has taken interrupts, or has still time.
    Well,
    /// It has taken none lately: it is to be sent one.
    Ask,
    /// It has not taken the one that it was sent: it is to be asked by NMI.
    Suspect,
    /// It was stuck, and takes interrupts again.
    Recovered,
}

impl Watched {
    /// A look at a CPU that has taken so many interrupts by now.
    const fn look(&mut self, interrupts: u64) -> Finding {
        if interrupts != self.interrupts {
            let was_told = self.told;
            *self = Self { interrupts, silent: 0, told: false };
            return if was_told { Finding::Recovered } else { Finding::Well };
        }
        self.silent = self.silent.saturating_add(1);
        match self.silent {
            1 => Finding::Ask,
            silent if silent > LOOKS && !self.told => Finding::Suspect,
            _ => Finding::Well,
        }
    }

    /// What came of a suspicion. One that was not told of has the whole time again to take the interrupt, but for one that
    /// could not be asked.
    const fn suspected(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Stuck => self.told = true,
            Verdict::Well => self.silent = 1,
            Verdict::NotAsked => {}
        }
    }
}

/// What a CPU that was suspected says by NMI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It has its interrupts off, or does not answer: it was told of.
    Stuck,
    /// It has its interrupts on.
    Well,
    /// Somebody else is asking a CPU at this moment: at the next look, then.
    NotAsked,
}

/// One CPU's watchdog.
#[derive(Debug, Default)]
pub struct Watchdog {
    timer: OnceCell<Arc<Timer>>,
    watched: Cell<Watched>,
}

/// Makes the limit known, in seconds; 0 turns the watchdog off. Once, before any CPU starts its own.
pub fn set_limit(seconds: u64) {
    LIMIT.call_once(|| seconds.saturating_mul(1_000_000_000));
}

/// Starts the calling CPU's watchdog, unless it is turned off or there is nobody to watch.
pub fn start(cpu: &ThisCpu) {
    let Some(limit) = LIMIT.get().copied().filter(|limit| *limit > 0) else { return };
    if cpu::all().len() > 1 {
        let timer = cpu.local().watchdog.timer.get_or_init(|| new_timer(cpu, limit));
        timer.set(cpu, moment_after(limit.div_ceil(LOOKS.into())));
    }
}

/// What a CPU looks by: made when it starts.
fn new_timer(cpu: &ThisCpu, limit: u64) -> Arc<Timer> {
    Timer::new(cpu.index(), Action::Call(look, limit))
        .unwrap_or_else(|error| panic!("cannot start the watchdog of CPU {}: {error}", cpu.index()))
}

/// Interrupts that a CPU has taken.
fn interrupts(block: &Block) -> u64 {
    [KernelInterrupt::Timer, KernelInterrupt::OtherCpu]
        .into_iter()
        .map(|interrupt| block.entries().entries(usize::from(interrupt.number())))
        .sum()
}

/// The timer's action.
fn look(cpu: &ThisCpu, limit: u64) -> Next {
    let watchdog = &cpu.local().watchdog;
    if let Some(target) = next_online(cpu.index()) {
        let mut watched = watchdog.watched.get();
        match watched.look(interrupts(target)) {
            Finding::Well => {}
            Finding::Ask => poke(cpu, target, Kind::Ping),
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
fn next_online(index: CpuIndex) -> Option<&'static Block> {
    let all = cpu::all();
    let after = all.iter().cycle().skip(index.as_usize().saturating_add(1)).take(all.len().saturating_sub(1));
    after.copied().find(|block| block.kernel().remote().is_online())
}

/// Asks a CPU by NMI, and tells of it if its interrupts are off.
#[cold]
fn ask(cpu: &ThisCpu, target: &'static Block, limit: u64) -> Verdict {
    let stuck = StuckCpu { block: target, limit };
    match dump_if(cpu, target, format_args!("{stuck}\n"), |frame| !Arch::takes_interrupts(frame)) {
        Ok(true) => Verdict::Stuck,
        Ok(false) => Verdict::Well,
        Err(DumpError::Busy) => Verdict::NotAsked,
        Err(DumpError::Silent) => {
            console::line(format_args!("{stuck}; it does not answer an NMI"));
            Verdict::Stuck
        }
    }
}

/// What is told of a CPU.
struct StuckCpu {
    block: &'static Block,
    /// Nanoseconds.
    limit: u64,
}

impl fmt::Display for StuckCpu {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (index, milliseconds) = (self.block.index(), self.limit / 1_000_000);
        write!(out, "watchdog: CPU {index} has taken no interrupt for {milliseconds} ms; it {}", LastEntry(self.block))
    }
}

#[cfg(test)]
mod tests {
    use super::Finding::{Ask, Recovered, Suspect, Well};
    use super::{LOOKS, Verdict, Watched};

    #[test]
    fn a_cpu_that_takes_interrupts_is_not_asked() {
        let mut watched = Watched::default();
        assert!((1..100).all(|interrupts| watched.look(interrupts) == Well));
    }

    #[test]
    fn an_idle_cpu_is_asked_and_answers() {
        let mut watched = Watched::default();
        for interrupts in 1..100 {
            assert_eq!(watched.look(interrupts), Well);
            assert_eq!(watched.look(interrupts), Ask);
        }
    }

    #[test]
    fn a_stuck_cpu_is_told_of_once_and_when_it_is_back() {
        let mut watched = Watched::default();
        assert_eq!([watched.look(7), watched.look(7)], [Well, Ask]);
        for _ in 1..LOOKS {
            assert_eq!(watched.look(7), Well);
        }
        assert_eq!(watched.look(7), Suspect);
        watched.suspected(Verdict::Stuck);
        assert!((0..100).all(|_| watched.look(7) == Well));
        assert_eq!([watched.look(8), watched.look(8)], [Recovered, Ask]);
    }

    /// A CPU that its host did not run.
    #[test]
    fn one_with_its_interrupts_on_is_not_told_of_and_has_time_again() {
        let mut watched = Watched::default();
        assert_eq!([watched.look(7), watched.look(7)], [Well, Ask]);
        for _ in 0..10 {
            assert!((1..LOOKS).all(|_| watched.look(7) == Well));
            assert_eq!(watched.look(7), Suspect);
            watched.suspected(Verdict::Well);
        }
        assert_eq!(watched.look(8), Well);
    }

    #[test]
    fn one_that_could_not_be_asked_is_asked_at_the_next_look() {
        let mut watched = Watched::default();
        assert_eq!(watched.look(7), Well);
        for _ in 0..LOOKS {
            assert_ne!(watched.look(7), Suspect);
        }
        assert_eq!(watched.look(7), Suspect);
        watched.suspected(Verdict::NotAsked);
        assert_eq!(watched.look(7), Suspect);
        watched.suspected(Verdict::Stuck);
        assert_eq!(watched.look(7), Well);
    }

    #[test]
    fn one_that_answers_late_was_never_stuck() {
        let mut watched = Watched::default();
        assert_eq!([watched.look(7), watched.look(7), watched.look(7)], [Well, Ask, Well]);
        assert_eq!(watched.look(8), Well);
    }
}
