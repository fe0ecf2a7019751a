//! Making other CPUs do something, and waiting until they have.

use core::fmt;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use percpu::{AreaBuilder, CpuIndex, CpuShared, per_cpu};
use smp::Clock;
use smp::call::{CallError, Kick, Port, Request, TimeLimit, Waiting};
use smp::ipi::Kind;
use smp::tlb::Flush;

use super::kick::kick;
use super::pending_work::{FLUSH, PENDING_WORK};
use super::ping::note_ping;
use crate::clock::clock;
use crate::console;
use crate::cpu::{self, Cpu, LastEntry, ThisCpu};
use crate::sync::assert_no_locks_held;

/// How long a CPU may take unless the command line says otherwise, in seconds: it answers with interrupts off for at most a system call, but its
/// host may have other plans.
pub const DEFAULT_LIMIT_SECONDS: u64 = 20;

/// How long any may take while one is known that does not answer. Nanoseconds.
const SHORT_LIMIT: u64 = 100_000_000;

/// How long a CPU may take. Nanoseconds.
static LIMIT: AtomicU64 = AtomicU64::new(DEFAULT_LIMIT_SECONDS * 1_000_000_000);

/// The CPUs that have not answered, and that owe a flush.
static OWING: AtomicU32 = AtomicU32::new(0);

/// Makes the limit known, in seconds. Before a second CPU runs.
pub fn set_limit(seconds: u64) {
    LIMIT.store(seconds.max(1).saturating_mul(1_000_000_000), Ordering::Relaxed);
}

/// How long a CPU may take, in nanoseconds.
pub fn limit() -> u64 {
    let limit = LIMIT.load(Ordering::Relaxed);
    if OWING.load(Ordering::Relaxed) == 0 { limit } else { limit.min(SHORT_LIMIT) }
}

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
            // SAFETY: ring 0 with interrupts off, and NMI and machine-check handlers leave CR3 and CR4 as they are.
            Self::Flush(flush) => unsafe { flush.apply() },
            Self::Function(function, argument) => function(cpu, argument),
            Self::Ping => note_ping(cpu),
        }
    }

    /// The same if it takes no call of a function; answers whether it was done. Code without calls needs no stack.
    #[inline(always)]
    fn run_if_short(self, cpu: &ThisCpu) -> bool {
        match self {
            // SAFETY: ring 0 with interrupts off, and NMI and machine-check handlers leave CR3 and CR4 as they are.
            Self::Flush(flush) => unsafe { flush.apply_unless_all() },
            Self::Function(..) => false,
            Self::Ping => {
                note_ping(cpu);
                true
            }
        }
    }
}

/// A CPU's port to the others: who calls, and who answers.
pub type CallPort = Port<'static, Operation>;

per_cpu! {
    /// How this CPU calls others and answers them: set before it runs.
    static CALL_PORT: CpuShared<MaybeUninit<CallPort>> = MaybeUninit::uninit();
}

/// Prepares a CPU that is being made, of which this is the port.
pub fn prepare_cpu(area: &mut AreaBuilder, port: CallPort) {
    area.set(&CALL_PORT, MaybeUninit::new(port));
}

#[inline(always)]
fn port(cpu: &ThisCpu) -> &'static CallPort {
    // SAFETY: `start` makes every CPU, and has it prepared by `prepare_cpu` before anybody knows it.
    unsafe { CALL_PORT.of(cpu).assume_init_ref() }
}

/// A request that was taken and not yet run.
pub type CallRequest<'p> = Request<'p, Operation>;

/// The clock, looked for when a call takes long enough to ask it.
struct WhenNeeded;

impl Clock for WhenNeeded {
    fn now_ns(&self) -> u64 {
        clock().now_ns()
    }
}

/// Other CPUs, as the calling one kicks them.
struct Others {
    cpu: ThisCpu,
    kind: Kind,
}

impl Kick for Others {
    type Cpu = Cpu;

    #[inline(always)]
    fn index(&self, target: Cpu) -> CpuIndex {
        target.index()
    }

    #[inline(always)]
    fn kick(&self, target: Cpu) {
        kick(&self.cpu, target, self.kind);
    }
}

/// Makes CPUs carry out an operation, and waits until they have. Answers the requests of others meanwhile.
///
/// # Errors
/// As [`Port::call`]: which CPUs did not in so many nanoseconds.
#[inline(always)]
pub fn call(
    cpu: &ThisCpu,
    targets: impl IntoIterator<Item = Cpu>,
    operation: Operation,
    limit_ns: u64,
) -> Result<(), CallError<'static, Operation>> {
    assert_no_locks_held("a call to other CPUs");
    // By value: the token takes no room, a reference to it would.
    let here = *cpu;
    let others = &Others { cpu: here, kind: operation.kind() };
    let limit = TimeLimit { clock: &WhenNeeded, ns: limit_ns };
    port(cpu).call(others, targets, operation, limit, move || answer_calls(&here))
}

/// The same for what can be done without: the CPUs that do not answer are named on the console. `what` is what they were asked.
pub fn call_or_report(cpu: &ThisCpu, targets: impl IntoIterator<Item = Cpu>, operation: Operation, what: &str) {
    if let Err(error) = call(cpu, targets, operation, limit()) {
        console::line(format_args!("CPU {}: {}", cpu.index(), Unresponsive { error: &error, what }));
    }
}

/// Makes CPUs forget translations, and waits until they have. One that does not answer is named on the console, and forgets all
/// translations before it goes back to a program; then this answers `false`, and what the translations led to must be kept back.
#[inline(always)]
#[must_use]
pub fn call_to_flush(cpu: &ThisCpu, targets: impl IntoIterator<Item = Cpu>, flush: Flush, what: &str) -> bool {
    match call(cpu, targets, Operation::Flush(flush), limit()) {
        Ok(()) => true,
        Err(error) => {
            flush_later(cpu, &error, what);
            false
        }
    }
}

#[cold]
#[inline(never)]
fn flush_later(cpu: &ThisCpu, error: &CallError<'_, Operation>, what: &str) {
    console::line(format_args!("CPU {}: {}", cpu.index(), Unresponsive { error, what }));
    // Of a call that was not begun nobody has heard.
    let none_was_asked = !matches!(error, CallError::Unanswered(_));
    let silent = |block: &Cpu| none_was_asked || error.cpus().any(|index| index == block.index());
    for block in all_others(cpu.index()).filter(silent) {
        if PENDING_WORK.of(block).ask(FLUSH) {
            OWING.fetch_add(1, Ordering::Relaxed);
        }
        kick(cpu, block, Kind::Reschedule);
    }
}

/// This CPU was asked to flush and did not answer: it does now.
pub fn flush_owed(cpu: &ThisCpu) {
    // SAFETY: ring 0 with interrupts off, and NMI and machine-check handlers leave CR3 and CR4 as they are.
    unsafe { Flush::All.apply() };
    OWING.fetch_sub(1, Ordering::Relaxed);
    console::line(format_args!("CPU {} answers again, and has flushed its TLB", cpu.index()));
}

/// Carries out what other CPUs ask of this one. From interrupts, and while this CPU waits for others.
pub fn answer_calls(cpu: &ThisCpu) {
    port(cpu).answer(|operation| operation.run(cpu));
}

/// The same in an interrupt that has just taken what is pending, by the fast path. What it leaves is for [`answer_call`] and [`answer_calls`].
#[inline(always)]
pub fn answer_one_call(cpu: &ThisCpu) -> Waiting<'static, Operation> {
    match port(cpu).take_only() {
        Waiting::One(request) if request.operation().run_if_short(cpu) => {
            request.done();
            Waiting::Nothing
        }
        other => other,
    }
}

/// Answers the call that [`answer_one_call`] has taken and left, as it takes longer.
#[inline(always)]
pub fn answer_call(cpu: &ThisCpu, request: CallRequest<'static>) {
    request.operation().run(cpu);
    request.done();
}

/// All CPUs that are online but the one given.
pub fn all_others(but: CpuIndex) -> impl Iterator<Item = Cpu> {
    let online = cpu::all().iter().copied().filter(|block| block.is_online());
    online.filter(move |block| block.index() != but)
}

/// Who did not answer, and how each entered the kernel last.
struct Unresponsive<'a> {
    error: &'a CallError<'a, Operation>,
    what: &'a str,
}

impl fmt::Display for Unresponsive<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "not answered in time: {}", self.what)?;
        if let CallError::Busy | CallError::EarlierCallRuns(_) = self.error {
            write!(out, "; {}", self.error)?;
        }
        for index in self.error.cpus() {
            write!(out, "; CPU {index}")?;
            match cpu::by_index(index) {
                Some(block) => write!(out, " {}", LastEntry(block))?,
                None => write!(out, " is not online")?,
            }
        }
        Ok(())
    }
}
