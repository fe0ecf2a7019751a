//! Making other CPUs do something, and waiting until they have.

use core::fmt;

use percpu::CpuIndex;
use smp::call::{Call, Exchange, Mailbox, Outbox, Unanswered};
use smp::ipi::Kind;
use smp::tlb::Flush;

use crate::arch::{LastEntry, ticks};
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
#[inline]
pub fn call(
    cpu: &ThisCpu,
    targets: impl IntoIterator<Item = CpuIndex>,
    operation: Operation,
    limit_ns: u64,
) -> Result<(), Unanswered> {
    let exchange = &Others { cpu, kind: operation.kind() };
    let outbox = cpu.kernel().remote().outbox();
    let call = Call { exchange, caller: cpu.index(), outbox, clock: clock(), limit_ns };
    call.make(targets, operation, || answer_calls(cpu))
}

/// The same for what the kernel cannot go on without: names the CPUs that do not answer, and locks down. `what` is what they
/// were asked.
#[inline]
pub fn call_or_lock_down(cpu: &ThisCpu, targets: impl IntoIterator<Item = CpuIndex>, operation: Operation, what: &str) {
    if let Err(unanswered) = call(cpu, targets, operation, DEADLINE) {
        lockdown::broken(format_args!("{}", Unresponsive { unanswered: &unanswered, what }));
    }
}

/// Carries out what other CPUs ask of this one. From interrupts, and while this CPU waits for others.
#[inline]
pub fn answer_calls(cpu: &ThisCpu) {
    let outbox = |caller| cpu::by_index(caller).map(outbox_of);
    cpu.kernel().remote().mailbox().answer(outbox, |operation: Operation| operation.run(cpu));
}

fn outbox_of(block: &'static Block) -> &'static Outbox<Operation> {
    block.kernel().remote().outbox()
}

/// All CPUs that are online but the one given.
pub fn all_others(but: CpuIndex) -> impl Iterator<Item = CpuIndex> {
    let online = cpu::all().iter().filter(|block| block.kernel().remote().is_online());
    online.map(|block| block.index()).filter(move |index| *index != but)
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
