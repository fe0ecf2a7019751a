//! What is known of a call that did not succeed.

use core::fmt;

use percpu::CpuIndex;

use super::outbox::{Claim, Word};
use super::place::{Place, cpus_of};
use crate::atomic::{AtomicU64, Ordering};

/// Why a call did not succeed.
#[derive(Debug)]
#[non_exhaustive]
pub enum CallError<'p, O> {
    /// The port is making a call, or the error of its last one is still held: nothing was begun.
    Busy,
    /// A CPU is still running the operation of an earlier call, and is named; of this one nothing was begun.
    EarlierCallRuns(Unanswered<'p, O>),
    /// Some targets did not come to the end in time, or cannot be reached.
    Unanswered(Unanswered<'p, O>),
}

impl<O> CallError<'_, O> {
    /// The CPUs that are to blame: that did not begin, did not end, or still run an earlier operation. None for
    /// [`Self::Busy`].
    pub fn cpus(&self) -> impl Iterator<Item = CpuIndex> {
        let named = match self {
            Self::Busy => None,
            Self::EarlierCallRuns(named) | Self::Unanswered(named) => Some(named),
        };
        named.into_iter().flat_map(Unanswered::iter)
    }
}

impl<O> fmt::Display for CallError<'_, O> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => formatter.write_str("this CPU is making a call already"),
            Self::EarlierCallRuns(named) => {
                write!(formatter, "an earlier call is still running on CPUs {:?}", Set(|| named.begun()))
            }
            Self::Unanswered(named) => named.fmt(formatter),
        }
    }
}

impl<O: fmt::Debug> core::error::Error for CallError<'_, O> {}

/// What has become of a call whose time was over.
///
/// Its bits are those of the caller's outbox, so that the port makes no other call until it is dropped.
#[derive(Debug)]
pub struct Unanswered<'p, O> {
    claim: Claim<'p, O>,
    unknown: Option<CpuIndex>,
}

impl<'p, O> Unanswered<'p, O> {
    pub(super) const fn new(claim: Claim<'p, O>, unknown: Option<CpuIndex>) -> Self {
        Self { claim, unknown }
    }

    /// These had not begun, and never will: the request was taken back, or they are none of the exchange's (of which only the
    /// first is named).
    pub fn not_begun(&self) -> impl Iterator<Item = CpuIndex> {
        self.cpus(|word| &word.taken_back).chain(self.unknown)
    }

    /// These had begun and not ended when the time was over, and may still be at it.
    pub fn begun(&self) -> impl Iterator<Item = CpuIndex> {
        self.cpus(|word| &word.late)
    }

    /// Everybody that is named: [`Self::not_begun`] and [`Self::begun`].
    pub fn iter(&self) -> impl Iterator<Item = CpuIndex> {
        self.not_begun().chain(self.begun())
    }

    /// Whether the CPU has run the operation to its end by now, so that what it did is visible: one of [`Self::begun`] may come
    /// to that late.
    #[must_use]
    pub fn is_done(&self, cpu: CpuIndex) -> bool {
        let Place { word, bit } = Place::of(cpu);
        let mut words = self.claim.outbox().words();
        words
            .nth(word)
            .is_some_and(|(_, word)| word.sent.load(Ordering::Relaxed) & word.done.load(Ordering::Acquire) & bit != 0)
    }

    fn cpus(&self, bits: impl Fn(&Word) -> &AtomicU64) -> impl Iterator<Item = CpuIndex> {
        let words = self.claim.outbox().words();
        words.flat_map(move |(number, word)| cpus_of(number, bits(word).load(Ordering::Relaxed)))
    }
}

impl<O> fmt::Display for Unanswered<'_, O> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (not_begun, begun) = (Set(|| self.not_begun()), Set(|| self.begun()));
        write!(formatter, "call not answered by CPUs {not_begun:?}, still running on {begun:?}")
    }
}

/// CPUs for people.
struct Set<F>(F);

impl<I: Iterator<Item = CpuIndex>, F: Fn() -> I> fmt::Debug for Set<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0().map(CpuIndex::get)).finish()
    }
}
