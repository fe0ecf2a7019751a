//! The one function that every trap of every kind goes through, compiled once for each row of the tables: it counts, takes the row's
//! fast path, by which nothing can end, or does the rest; then it runs what ends and answers the frame to return through.

use core::arch::asm;

use gatehouse_abi::TrapNumber;

use crate::arch::{Frame, leave_from_handler};
use crate::cpu::{self, ThisCpu};
use crate::sched::{self, Next};

/// What the fast path of a trap comes to.
pub(super) enum Fast<R: Row + ?Sized> {
    /// All is done.
    Done(Next),
    /// All is done, for others: if this CPU idled, it looks whether somebody is ready by now.
    DoneForOthers,
    /// Another path than the fastest one leads there, from what has been found: [`Row::resume`].
    Otherwise(R::Found),
    /// It is not for this path: [`Row::rest`].
    Rest(R::Taken),
}

/// What a kind of trap leads to: a row of the tables that the entries call through. Each is compiled by itself, with its own copy of
/// [`trap_main`], so that nothing on the way asks again what it is.
pub(super) trait Row {
    /// What the fast path has found when another one is needed.
    type Found;
    /// What has been done already when the rest begins.
    type Taken: Default;

    /// The vector under which its entries are counted, or `EntryCounters::SYSCALL`; `None` if the frame tells, by its vector.
    const COUNTER: Option<usize>;

    /// Whether there is a fast path.
    const HAS_FAST_PATH: bool = true;

    /// The type of the trap that has made the frame.
    fn number(frame: &Frame) -> TrapNumber;

    /// The fast path: does what the trap asks for, if that is little. Nothing may end by it, and neither the run queue nor the queue
    /// of ends is looked at behind it.
    #[inline(always)]
    fn fast(_cpu: &ThisCpu, _number: TrapNumber, _frame: &mut Frame) -> Fast<Self> {
        Fast::Rest(Self::Taken::default())
    }

    /// Goes on from what the fast path has found, under the same conditions.
    ///
    /// # Errors
    /// What [`Self::rest`] is to begin with.
    #[inline(always)]
    fn resume(
        _cpu: &ThisCpu,
        _number: TrapNumber,
        _frame: &mut Frame,
        _found: Self::Found,
    ) -> Result<Next, Self::Taken> {
        Err(Self::Taken::default())
    }

    /// Does what the trap asks for, with all that may be in the way.
    fn rest(cpu: &ThisCpu, number: TrapNumber, frame: &mut Frame, taken: Self::Taken) -> Next;
}

/// What an entry calls, on the interrupt stack with interrupts off, with the frame that it has just completed. Answers the frame to
/// return through, or returns through it at once.
pub(super) type Handler = extern "C" fn(*mut Frame) -> *const Frame;

/// [`trap_main`] as an entry calls it.
pub(super) extern "C" fn row<R: Row>(frame: *mut Frame) -> *const Frame {
    // SAFETY: the entry passes the frame it has just completed; nobody else refers to it while its thread is in the
    // kernel on this CPU.
    let frame = unsafe { &mut *frame };
    trap_main::<R>(R::number(frame), frame)
}

/// Handles a trap and answers the frame to return through: the same one, another thread's, or the idle one. Counts the trap, takes the
/// fast path if there is one, then the rest.
#[inline(always)]
pub(super) fn trap_main<R: Row>(number: TrapNumber, frame: &mut Frame) -> *const Frame {
    count::<R>(frame);
    let cpu = cpu::this();
    if !R::HAS_FAST_PATH {
        return finish::<R>(&cpu, number, frame, R::Taken::default());
    }
    match R::fast(&cpu, number, frame) {
        Fast::Done(next) => leave(&cpu, frame, next),
        Fast::DoneForOthers if cpu.current_pointer().is_null() => match sched::idle_on(&cpu) {
            Some(idle) => idle,
            None => finish_apart::<R>(number, frame, R::Taken::default()),
        },
        Fast::DoneForOthers => frame,
        Fast::Otherwise(found) => resume_apart::<R>(number, frame, found),
        Fast::Rest(taken) => finish_apart::<R>(number, frame, taken),
    }
}

/// The one place where traps are counted.
#[inline(always)]
fn count<R: Row>(frame: &Frame) {
    if R::COUNTER.is_some() {
        // SAFETY: GS leads to this CPU's block, which the counters are a part of; nobody else writes them.
        unsafe {
            asm!("inc qword ptr gs:[{counter}]", counter = const counter_offset(R::COUNTER), options(nostack));
        }
    } else {
        cpu::this().entries().count(frame.vector() as usize);
    }
}

/// Where a counter lies in a CPU's block.
const fn counter_offset(counter: Option<usize>) -> usize {
    match counter {
        Some(counter) => percpu::offsets::ENTRIES + counter * size_of::<u64>(),
        None => percpu::offsets::ENTRIES,
    }
}

/// Whether a CPU that idled looks for somebody to run after a trap of this type: what was done for others may have made somebody ready,
/// at any depth.
const fn looks_when_idle(number: TrapNumber) -> bool {
    matches!(number, TrapNumber::IPI | TrapNumber::TIMER | TrapNumber::DEVICE)
}

/// Where a trap goes on by which nothing has ended.
#[inline(always)]
fn leave(cpu: &ThisCpu, frame: &Frame, next: Next) -> *const Frame {
    match next {
        Next::Stay => frame,
        // SAFETY: the frame is that of the thread that the CPU was switched to, or the idle one; the entry has put RSP on the
        // interrupt stack, of which nothing is needed again.
        Next::Switched(next) => unsafe { leave_from_handler(next) },
        Next::Choose => sched::pick(cpu),
    }
}

/// [`Row::resume`] in a function of its own: the fast path keeps nothing on the stack for it.
#[inline(never)]
fn resume_apart<R: Row>(number: TrapNumber, frame: &mut Frame, found: R::Found) -> *const Frame {
    let cpu = cpu::this();
    match R::resume(&cpu, number, frame, found) {
        Ok(next) => leave(&cpu, frame, next),
        Err(taken) => finish_apart::<R>(number, frame, taken),
    }
}

/// [`Row::rest`] likewise.
#[inline(never)]
fn finish_apart<R: Row>(number: TrapNumber, frame: &mut Frame, taken: R::Taken) -> *const Frame {
    finish::<R>(&cpu::this(), number, frame, taken)
}

/// The rest of a trap, the ends that it has brought, and who runs next.
#[inline(always)]
fn finish<R: Row>(cpu: &ThisCpu, number: TrapNumber, frame: &mut Frame, taken: R::Taken) -> *const Frame {
    let next = R::rest(cpu, number, frame, taken);
    let next = if looks_when_idle(number) && cpu.current_pointer().is_null() { Next::Choose } else { next };
    // Each answer by itself: where a handler's is known, so is what follows. To choose runs the ends first.
    match next {
        Next::Choose => sched::pick(cpu),
        next if !sched::anything_ends(cpu) => leave(cpu, frame, next),
        Next::Stay => after_ends(cpu, frame),
        Next::Switched(next) => after_ends(cpu, next),
    }
}

/// Runs what ends, and returns through the frame if its thread is not gone with it.
#[cold]
#[inline(never)]
fn after_ends(cpu: &ThisCpu, frame: *const Frame) -> *const Frame {
    sched::run_ends(cpu);
    if cpu.current().is_some() { frame } else { sched::pick(cpu) }
}
