//! Making other CPUs do something, and waiting until they have.

use core::fmt;

use percpu::CpuIndex;
use smp::call::{Call, Exchange, Mailbox, Outbox, Unanswered};
use smp::ipi::Kind;
use smp::tlb::Flush;

use crate::arch::{LastEntry, ticks};
use crate::console;
use crate::cpu::{self, Block, ThisCpu};
use crate::lockdown;
use crate::sched::poke;
use crate::time::clock;

/// How long a CPU may take: it answers with interrupts off for at most a system call, but its host may have other
/// plans. Nanoseconds.
const DEADLINE: u64 = 20_000_000_000;

/// What a CPU can be asked to do.
#[derive(Clone, Copy, Debug)]
pub enum Operation {
    /// Forget translations.
    Flush(Flush),
    /// Call a function with an argument.
    Function(fn(&ThisCpu, u64), u64),
    /// Write down when it was asked.
    Ping,
}

impl Operation {
    const fn kind(self) -> Kind {
        match self {
            Self::Flush(_) => Kind::TlbShootdown,
            Self::Function(..) => Kind::CallFunction,
            Self::Ping => Kind::Ping,
        }
    }

    #[inline(always)]
    fn run(self, cpu: &ThisCpu) {
        match self {
            // SAFETY: ring 0 with interrupts off, and NMI and machine-check handlers leave CR4 as it is.
            Self::Flush(flush) => unsafe { flush.apply() },
            Self::Function(function, argument) => function(cpu, argument),
            Self::Ping => cpu.kernel().remote().set_pinged_at(ticks()),
        }
    }

    /// The same if it takes no call of a function; answers whether it was done. Code without calls needs no stack.
    #[inline(always)]
    fn run_if_short(self, cpu: &ThisCpu) -> bool {
        match self {
            Self::Flush(Flush::All) | Self::Function(..) => return false,
            short => short.run(cpu),
        }
        true
    }
}

/// All CPUs, as the calling one reaches them.
struct Others<'cpu> {
    cpu: &'cpu ThisCpu,
    kind: Kind,
}

impl Exchange for Others<'_> {
    type Cpu = &'static Block;

    fn cpus(&self) -> u32 {
        cpu::all().len() as u32
    }

    #[inline(always)]
    fn find(&self, target: CpuIndex) -> Option<&'static Block> {
        cpu::by_index(target)
    }

    #[inline(always)]
    fn index(&self, target: &'static Block) -> CpuIndex {
        target.index()
    }

    #[inline(always)]
    fn mailbox(&self, target: &'static Block) -> &Mailbox {
        target.kernel().remote().mailbox()
    }

    #[inline(always)]
    fn poke(&self, target: &'static Block) {
        poke(self.cpu, target, self.kind);
    }
}

/// Makes CPUs carry out an operation, and waits until they have. Answers the requests of others meanwhile.
///
/// # Errors
/// The CPUs that did not in so many nanoseconds.
#[inline(always)]
pub fn call(
    cpu: &ThisCpu,
    targets: impl IntoIterator<Item = &'static Block>,
    operation: Operation,
    limit_ns: u64,
) -> Result<(), Unanswered> {
    let exchange = &Others { cpu, kind: operation.kind() };
    let outbox = cpu.kernel().remote().outbox();
    let call = Call { exchange, caller: cpu.index(), outbox, clock: clock(), limit_ns };
    call.make_found(targets, operation, || answer_calls(cpu))
}

/// The same for what can be done without: the CPUs that do not answer are named on the console. `what` is what they were asked.
pub fn call_or_report(
    cpu: &ThisCpu,
    targets: impl IntoIterator<Item = &'static Block>,
    operation: Operation,
    what: &str,
) {
    if let Err(unanswered) = call(cpu, targets, operation, DEADLINE) {
        console::line(format_args!("CPU {}: {}", cpu.index(), Unresponsive { unanswered: &unanswered, what }));
    }
}

/// The same for what the kernel cannot go on without: names the CPUs that do not answer, and locks down. `what` is what they
/// were asked.
#[inline(always)]
pub fn call_or_lock_down(
    cpu: &ThisCpu,
    targets: impl IntoIterator<Item = &'static Block>,
    operation: Operation,
    what: &str,
) {
    if let Err(unanswered) = call(cpu, targets, operation, DEADLINE) {
        not_answered(&unanswered, what);
    }
}

#[cold]
fn not_answered(unanswered: &Unanswered, what: &str) -> ! {
    lockdown::broken(format_args!("{}", Unresponsive { unanswered, what }));
}

/// Carries out what other CPUs ask of this one. From interrupts, and while this CPU waits for others.
pub fn answer_calls(cpu: &ThisCpu) {
    cpu.kernel().remote().mailbox().answer(outbox, |operation: Operation| operation.run(cpu));
}

/// The same in an interrupt that has just taken what is pending, the short way. `false`: [`answer_other_calls`] has more to
/// do.
#[inline(always)]
pub(super) fn answer_one_call(cpu: &ThisCpu) -> bool {
    cpu.kernel().remote().mailbox().answer_one(outbox, |operation: Operation| operation.run_if_short(cpu))
}

/// What [`answer_one_call`] has left.
pub fn answer_other_calls(cpu: &ThisCpu) {
    cpu.kernel().remote().mailbox().answer_rest(outbox, |operation: Operation| operation.run(cpu));
}

#[inline(always)]
fn outbox(caller: CpuIndex) -> Option<&'static Outbox<Operation>> {
    cpu::all().get(caller.as_usize()).map(|block| block.kernel().remote().outbox())
}

/// All CPUs that are online but the one given.
pub fn all_others(but: CpuIndex) -> impl Iterator<Item = &'static Block> {
    let online = cpu::all().iter().copied().filter(|block| block.kernel().remote().is_online());
    online.filter(move |block| block.index() != but)
}

/// Who did not answer, and how each entered the kernel last.
struct Unresponsive<'a> {
    unanswered: &'a Unanswered,
    what: &'a str,
}

impl fmt::Display for Unresponsive<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "not answered within {} s: {}", DEADLINE / 1_000_000_000, self.what)?;
        for index in self.unanswered.iter() {
            write!(out, "; CPU {index}")?;
            match cpu::by_index(index) {
                Some(block) => write!(out, " {}", LastEntry(block))?,
                None => write!(out, " is not online")?,
            }
        }
        Ok(())
    }
}
