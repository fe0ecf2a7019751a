//! What a CPU leaves behind when it stops: written by itself, once, read by the one that reports.

use core::cell::UnsafeCell;
use core::fmt::Write as _;
use core::sync::atomic::{AtomicU32, Ordering};

use heapless::String;
use percpu::{CpuShared, per_cpu};

use super::refusal::Refusal;
use crate::arch::{self, Backtrace, CodePoint, Frame, TrapInfo};
use crate::cpu::ThisCpu;

use super::readable;

/// Why a CPU stopped.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one record a CPU, and no memory to be had when it is written")]
pub(super) enum Cause {
    /// The reporting CPU asked by interrupt.
    Interrupt,
    /// The reporting CPU asked by NMI, since the interrupt was not answered.
    NonMaskable,
    /// A trap that the kernel cannot go on from; and why not, if it is of a kind that can be contained.
    Trap(TrapInfo, Option<Refusal>),
    /// The kernel found itself wrong.
    Panic(String<MESSAGE_BYTES>),
}

/// The most that is kept of a panic's message and place.
pub(super) const MESSAGE_BYTES: usize = 320;
/// The most that is kept of a program's name.
const NAME_BYTES: usize = 32;

/// The thread that a CPU ran.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) thread: u64,
    pub(super) program: u64,
    pub(super) name: String<NAME_BYTES>,
}

/// A CPU at the moment when it stopped.
#[derive(Clone, Debug)]
pub(super) struct Stopped {
    pub(super) cause: Cause,
    /// The context that was interrupted; a panic has none.
    pub(super) frame: Option<Frame>,
    /// Where its stack pointer was.
    pub(super) stack_pointer: u64,
    pub(super) backtrace: Backtrace,
    pub(super) running: Option<Running>,
}

per_cpu! {
    /// What a CPU leaves behind when it stops.
    pub(super) static STOP_RECORD: CpuShared<StopRecord> = StopRecord::new();
    /// What it tells of itself while it goes on.
    pub(super) static DUMP_RECORD: CpuShared<StopRecord> = StopRecord::new();
}

/// One CPU's record.
#[derive(Debug)]
pub struct StopRecord {
    state: AtomicU32,
    stopped: UnsafeCell<Option<Stopped>>,
}

// SAFETY: `stopped` is written by whoever moves `state` from EMPTY to WRITING, and read after it is WRITTEN, from when on
// nobody writes until the only reader has cleared it.
unsafe impl Sync for StopRecord {}

const EMPTY: u32 = 0;
const WRITING: u32 = 1;
const WRITTEN: u32 = 2;

impl StopRecord {
    /// The record of a CPU that runs.
    #[must_use]
    pub const fn new() -> Self {
        Self { state: AtomicU32::new(EMPTY), stopped: UnsafeCell::new(None) }
    }

    /// Writes the record, unless it is written or being written: then this is a second event on the same CPU, and the
    /// first one tells more.
    pub(super) fn write(&self, make: impl FnOnce() -> Stopped) {
        if self.state.compare_exchange(EMPTY, WRITING, Ordering::Acquire, Ordering::Relaxed).is_ok() {
            // SAFETY: only one caller gets here, and nobody reads yet.
            unsafe { *self.stopped.get() = Some(make()) };
            self.state.store(WRITTEN, Ordering::Release);
        }
    }

    /// Forgets what was written. For records of CPUs that go on, by the one who reads them: nobody may hold a reference to
    /// what is forgotten, and one that is being written stays.
    pub(super) fn clear(&self) {
        // Nothing is dropped here: the next one who writes does that.
        let _ = self.state.compare_exchange(WRITTEN, EMPTY, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// What was written.
    pub(super) fn read(&self) -> Option<&Stopped> {
        if self.state.load(Ordering::Acquire) != WRITTEN {
            return None;
        }
        // SAFETY: nobody writes until the reader clears it.
        unsafe { &*self.stopped.get() }.as_ref()
    }
}

impl Default for StopRecord {
    fn default() -> Self {
        Self::new()
    }
}

impl Stopped {
    /// This CPU, which stops here with its interrupted context in `frame`.
    pub(super) fn interrupted(cpu: &ThisCpu, cause: Cause, frame: &Frame) -> Self {
        Self {
            cause,
            frame: Some(*frame),
            stack_pointer: CodePoint::of(frame).stack,
            backtrace: backtrace(cpu, frame),
            running: running(cpu),
        }
    }

    /// This CPU, which stops by itself at `point`. Before the CPU has its block there is no `cpu`.
    pub(super) fn by_itself(cpu: Option<&ThisCpu>, cause: Cause, point: CodePoint) -> Self {
        Self {
            cause,
            frame: None,
            stack_pointer: point.stack,
            backtrace: arch::walk(point, |address| readable::word(cpu, address)),
            running: cpu.and_then(running),
        }
    }
}

/// The backtrace of a context that was interrupted on this CPU.
#[must_use]
pub fn backtrace(cpu: &ThisCpu, frame: &Frame) -> Backtrace {
    arch::backtrace_of(frame, |address| readable::word(Some(cpu), address))
}

/// The thread on this CPU. May be asked at any instant, also by an NMI handler of a CPU that never goes on: the pointer to
/// the thread is one word, and what it points to is alive as long as it is there.
fn running(cpu: &ThisCpu) -> Option<Running> {
    let thread = cpu.current()?;
    let program = thread.program();
    let mut name = String::new();
    // A name that is longer is cut, between characters.
    program.name().chars().take_while(|letter| name.push(*letter).is_ok()).for_each(drop);
    Some(Running { thread: thread.number(), program: program.number(), name })
}

/// Text with as much of `message` as there is room for.
pub(super) fn cut(message: core::fmt::Arguments<'_>) -> String<MESSAGE_BYTES> {
    struct Cutter(String<MESSAGE_BYTES>);
    impl core::fmt::Write for Cutter {
        fn write_str(&mut self, text: &str) -> core::fmt::Result {
            text.chars().take_while(|letter| self.0.push(*letter).is_ok()).for_each(drop);
            Ok(())
        }
    }
    let mut cutter = Cutter(String::new());
    // The writer above never fails.
    let _ = cutter.write_fmt(message);
    cutter.0
}
