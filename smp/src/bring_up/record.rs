//! One application processor's start: what it is handed, and how far it came.

use core::fmt;

use percpu::ApicId;

use crate::atomic::{AtomicU32, AtomicU64, Ordering};

/// How far a CPU came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// Not heard of yet.
    Waiting = 0,
    /// Its trampoline reached 64-bit mode and claimed the record.
    Started = 1,
    /// The kernel runs on it.
    Online = 2,
    /// Given up while [`Waiting`](Self::Waiting). If it still comes it halts in the trampoline.
    TimedOut = 3,
    /// Given up while [`Started`](Self::Started). If it still comes, [`StartRecord::mark_online`] refuses it.
    Stalled = 4,
}

impl State {
    fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Waiting,
            1 => Self::Started,
            2 => Self::Online,
            3 => Self::TimedOut,
            4 => Self::Stalled,
            _ => unreachable!("a start record holds state {number}"),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Waiting => "never reached the trampoline's end",
            Self::Started => "left the trampoline, but the kernel never came up on it",
            Self::Online => "online",
            Self::TimedOut => "given up before it started",
            Self::Stalled => "given up after it started",
        })
    }
}

/// One application processor's start. The trampoline reads and writes it by asserted offsets.
///
/// A record outlives the start: a CPU that comes late still looks at it. Records do not share cache lines, as
/// all CPUs start together; they are no `CachePadded`, since the trampoline steps over them by 64 bytes.
///
/// The trampoline finds a CPU's record by the id that CPUID gives, the one of power-up. Firmware that has given a CPU another one in
/// xAPIC mode leaves it without: it is then reported as one that never reached the trampoline's end.
///
/// ```
/// use smp::ApicId;
/// use smp::bring_up::{StartRecord, State};
///
/// let record = StartRecord::new(ApicId::new(7), 0x1000, 42);
/// assert_eq!(record.state(), State::Waiting);
/// // What the trampoline does, and then the kernel on that CPU:
/// assert!(record.claim() && record.mark_online(5));
/// assert_eq!((record.state(), record.online_ns()), (State::Online, 5));
/// ```
#[derive(Debug)]
#[repr(C, align(64))]
pub struct StartRecord {
    pub(crate) apic_id: u32,
    pub(crate) state: AtomicU32,
    pub(crate) stack_top: u64,
    pub(crate) argument: u64,
    pub(crate) started_tsc: AtomicU64,
    online_ns: AtomicU64,
}

impl StartRecord {
    /// The record of a CPU that is to be started.
    ///
    /// `stack_top` is the virtual address one past the CPU's first stack, a multiple of 16; `argument` is what
    /// the entry function gets.
    ///
    /// # Panics
    /// When `stack_top` is not a multiple of 16.
    #[must_use]
    pub fn new(apic_id: ApicId, stack_top: u64, argument: u64) -> Self {
        assert!(stack_top.is_multiple_of(16), "the stack of APIC id {apic_id} ends at {stack_top:#x}, unaligned");
        Self {
            apic_id: apic_id.get(),
            state: AtomicU32::new(State::Waiting as u32),
            stack_top,
            argument,
            started_tsc: AtomicU64::new(0),
            online_ns: AtomicU64::new(0),
        }
    }

    /// The CPU's local APIC id.
    #[must_use]
    pub const fn apic_id(&self) -> ApicId {
        ApicId::new(self.apic_id)
    }

    /// How far the CPU came. What it wrote before it got there is visible to the caller.
    #[must_use]
    pub fn state(&self) -> State {
        State::from_number(self.state.load(Ordering::Acquire))
    }

    /// The CPU's time-stamp counter when it claimed the record; 0 before.
    #[must_use]
    pub fn started_tsc(&self) -> u64 {
        self.started_tsc.load(Ordering::Relaxed)
    }

    /// What the CPU gave to [`mark_online`](Self::mark_online); 0 before.
    #[must_use]
    pub fn online_ns(&self) -> u64 {
        self.online_ns.load(Ordering::Relaxed)
    }

    /// Claims the record for the calling CPU. The trampoline does the same in assembly; this is for CPUs that
    /// are started in another way. A CPU that is refused halts for ever.
    #[must_use = "a CPU whose claim is refused must halt"]
    pub fn claim(&self) -> bool {
        self.advance(State::Waiting, State::Started)
    }

    /// Called by the CPU itself when its kernel is up; `now_ns` is the moment by the kernel's [`Clock`]. Tells
    /// whether the CPU is in time: one that is refused halts for ever, as the others count it as dead.
    ///
    /// [`Clock`]: crate::Clock
    #[must_use = "a CPU that is refused must halt"]
    pub fn mark_online(&self, now_ns: u64) -> bool {
        // Written before the state so that whoever sees `Online` sees the time.
        self.online_ns.store(now_ns, Ordering::Relaxed);
        self.advance(State::Started, State::Online)
    }

    /// Gives the CPU up, unless it is online by now. The state it had reached, or nothing when it is online.
    pub(super) fn give_up(&self) -> Option<State> {
        if self.advance(State::Waiting, State::TimedOut) {
            return Some(State::Waiting);
        }
        // It has claimed the record, now or before: the only other way on is to `Online`.
        self.advance(State::Started, State::Stalled).then_some(State::Started)
    }

    /// Goes from one state to the next if nobody else did. Release publishes what the winner wrote before;
    /// Acquire shows it what the writer of `from` wrote.
    fn advance(&self, from: State, to: State) -> bool {
        self.state.compare_exchange(from as u32, to as u32, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

#[cfg(not(all(loom, test)))]
const _: () = {
    use core::mem::{offset_of, size_of};
    assert!(size_of::<StartRecord>() == 64);
    assert!(offset_of!(StartRecord, apic_id) == 0);
    assert!(offset_of!(StartRecord, state) == 4);
    assert!(offset_of!(StartRecord, stack_top) == 8);
    assert!(offset_of!(StartRecord, argument) == 16);
    assert!(offset_of!(StartRecord, started_tsc) == 24);
    assert!(offset_of!(StartRecord, online_ns) == 32);
};

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn record() -> StartRecord {
        StartRecord::new(ApicId::new(7), 0x1000, 0)
    }

    #[test]
    fn a_cpu_in_time_goes_online_once() {
        let record = record();
        assert!(record.claim());
        assert_eq!(record.state(), State::Started);
        assert!(!record.claim(), "a second answer is refused");
        assert!(record.mark_online(5));
        assert!(!record.mark_online(6));
        assert_eq!(record.state(), State::Online);
        assert_eq!(record.give_up(), None);
        assert!(!record.claim());
    }

    #[test]
    fn a_cpu_given_up_is_refused_at_either_step() {
        let never_came = record();
        assert_eq!(never_came.give_up(), Some(State::Waiting));
        assert_eq!(never_came.state(), State::TimedOut);
        assert!(!never_came.claim());
        assert!(!never_came.mark_online(1));

        let slow = record();
        assert!(slow.claim());
        assert_eq!(slow.give_up(), Some(State::Started));
        assert_eq!(slow.state(), State::Stalled);
        assert!(!slow.mark_online(1));
    }

    #[test]
    #[should_panic(expected = "unaligned")]
    fn an_unaligned_stack_is_refused() {
        let _ = StartRecord::new(ApicId::new(7), 0x1008, 0);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    #[test]
    fn a_late_cpu_and_the_one_that_gives_up_never_both_win() {
        loom::model(|| {
            let record = Arc::new(StartRecord::new(ApicId::new(7), 0x1000, 0));
            let late = {
                let record = Arc::clone(&record);
                thread::spawn(move || record.claim() && record.mark_online(42))
            };
            let given_up = record.give_up();
            let ran = late.join().unwrap();
            assert_eq!(given_up.is_none(), ran);
            if ran {
                assert_eq!((record.state(), record.online_ns()), (State::Online, 42));
            }
        });
    }

    #[test]
    fn two_cpus_never_share_a_record() {
        loom::model(|| {
            let record = Arc::new(StartRecord::new(ApicId::new(7), 0x1000, 0));
            let other = {
                let record = Arc::clone(&record);
                thread::spawn(move || record.claim())
            };
            let here = record.claim();
            assert!(here != other.join().unwrap());
        });
    }
}
