//! Why a CPU was kicked: the kinds of inter-processor interrupts that wait for it.

use core::fmt;

use crate::atomic::{AtomicU32, Ordering};

/// Why a CPU is kicked. All kinds share one interrupt vector, or the NMI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Its run queue changed.
    Reschedule = 0,
    /// A [`call`](crate::call) waits in its mailbox.
    CallFunction = 1,
    /// A TLB shootdown waits in its mailbox.
    TlbShootdown = 2,
    /// It is to stop for good.
    Stop = 3,
    /// It is to report its registers.
    Dump = 4,
    /// Nothing is to be done: for measuring, and to end a halt.
    Ping = 5,
    /// Another CPU has set a timer of it.
    Timer = 6,
}

impl Kind {
    /// Every kind, in the order of the numbers.
    pub const ALL: [Self; 7] =
        [Self::Reschedule, Self::CallFunction, Self::TlbShootdown, Self::Stop, Self::Dump, Self::Ping, Self::Timer];

    const fn bit(self) -> u32 {
        1 << self as u8
    }
}

/// A set of kinds, as [`PendingSet::take`] hands out.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Kinds(u32);

impl Kinds {
    /// The set of these kinds.
    #[must_use]
    pub const fn of(kinds: &[Kind]) -> Self {
        let mut bits = 0;
        let mut next = 0;
        while next < kinds.len() {
            bits |= kinds[next].bit();
            next += 1;
        }
        Self(bits)
    }

    /// Tells whether the other set has every kind of this one; it has those of an empty set.
    #[must_use]
    #[inline(always)]
    pub const fn are_all_in(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Tells whether the two sets have a kind in common.
    #[must_use]
    #[inline(always)]
    pub const fn have_any_of(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Tells whether a kind is in the set.
    #[must_use]
    pub const fn contains(self, kind: Kind) -> bool {
        self.0 & kind.bit() != 0
    }

    /// Tells whether there is nothing in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The kinds in the set, in the order of [`Kind::ALL`].
    #[inline]
    pub fn iter(self) -> impl Iterator<Item = Kind> {
        let mut left = self.0;
        core::iter::from_fn(move || {
            // Only bits of kinds are ever set, so that a bit's number finds its kind.
            let kind = Kind::ALL.get(left.trailing_zeros() as usize)?;
            left &= left - 1;
            Some(*kind)
        })
    }
}

impl fmt::Debug for Kinds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.iter()).finish()
    }
}

/// The kinds that wait for one CPU. Any CPU posts; the one it belongs to takes.
///
/// The hardware interrupt goes out only when the set was empty: one is under way then already, and whoever
/// takes finds all kinds that were posted by that time.
///
/// Ordering: [`post`](Self::post) releases and [`take`](Self::take) acquires, so the taker of a kind sees what
/// its poster wrote before. Both are read-modify-writes of one word, of which there is a single order: a post
/// comes before a take, and is in what it hands out, or after it, and then found the set empty or behind
/// another that did. So no kind is lost, and an interrupt is under way whenever the set is not empty. That the
/// interrupt is not seen before the post is up to its sender, see
/// [`LocalApic::send`](crate::local_apic::LocalApic::send).
///
/// ```
/// use smp::ipi::{Kind, PendingSet};
///
/// let pending = PendingSet::new();
/// assert!(pending.post(Kind::Reschedule), "the set was empty: the interrupt is to be sent");
/// assert!(!pending.post(Kind::CallFunction), "one is under way");
/// // In the interrupt:
/// let kinds = pending.take();
/// assert!(kinds.contains(Kind::Reschedule) && kinds.contains(Kind::CallFunction));
/// ```
#[derive(Debug, Default)]
pub struct PendingSet(AtomicU32);

impl PendingSet {
    /// The empty set.
    #[cfg(not(all(loom, test)))]
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Adds a kind. Tells whether the set was empty: the caller then sends the hardware interrupt.
    #[must_use = "the hardware interrupt must go out when the set was empty"]
    #[inline]
    pub fn post(&self, kind: Kind) -> bool {
        // As a rule the set is empty, and one operation of few instructions is enough.
        if self.0.compare_exchange(0, kind.bit(), Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            return true;
        }
        self.post_beside_others(kind)
    }

    #[cold]
    fn post_beside_others(&self, kind: Kind) -> bool {
        // Acquire too: a poster that finds the set not empty relies on the interrupt of another.
        self.0.fetch_or(kind.bit(), Ordering::AcqRel) == 0
    }

    /// Takes every kind out.
    #[must_use = "the kinds are gone from the set"]
    #[inline]
    pub fn take(&self) -> Kinds {
        Kinds(self.0.swap(0, Ordering::AcqRel))
    }

    /// Tells whether nothing waits, without taking; out of date at once.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::format;
    use std::vec::Vec;

    use super::*;

    #[test]
    fn only_the_first_post_sends() {
        let pending = PendingSet::new();
        assert!(pending.is_empty());
        assert!(pending.post(Kind::TlbShootdown));
        assert!(!pending.post(Kind::Reschedule));
        assert!(!pending.post(Kind::Reschedule));
        let kinds = pending.take();
        assert_eq!(kinds.iter().collect::<Vec<_>>(), [Kind::Reschedule, Kind::TlbShootdown]);
        assert_eq!(format!("{kinds:?}"), "{Reschedule, TlbShootdown}");
        assert!(kinds.contains(Kind::TlbShootdown) && !kinds.contains(Kind::Stop));
        assert!(pending.take().is_empty());
        assert!(pending.post(Kind::Stop));
    }

    #[test]
    fn sets_are_compared_kind_by_kind() {
        let calls = Kinds::of(&[Kind::CallFunction, Kind::Ping]);
        assert!(calls.contains(Kind::Ping) && !calls.contains(Kind::Stop));
        assert!(Kinds::default().are_all_in(calls) && !Kinds::default().have_any_of(calls));
        assert!(Kinds::of(&[Kind::Ping]).are_all_in(calls) && calls.have_any_of(Kinds::of(&[Kind::Ping])));
        let mixed = Kinds::of(&[Kind::Ping, Kind::Timer]);
        assert!(!mixed.are_all_in(calls) && mixed.have_any_of(calls));
    }

    #[test]
    fn every_kind_has_its_own_bit() {
        for (number, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number);
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicBool;
    use loom::thread;

    use super::*;

    /// Two CPUs post while the third takes at each interrupt.
    #[test]
    fn no_kind_is_lost_and_an_interrupt_is_under_way_for_each() {
        loom::model(|| {
            let pending = Arc::new(PendingSet::default());
            let interrupts = Arc::new(AtomicU32::new(0));
            // What each poster wrote before its post.
            let payloads = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
            let posters: std::vec::Vec<_> = [Kind::Reschedule, Kind::CallFunction]
                .into_iter()
                .map(|kind| {
                    let (pending, interrupts) = (Arc::clone(&pending), Arc::clone(&interrupts));
                    let payloads = Arc::clone(&payloads);
                    thread::spawn(move || {
                        payloads[kind as usize].store(true, Ordering::Relaxed);
                        if pending.post(kind) {
                            interrupts.fetch_add(1, Ordering::SeqCst);
                        }
                    })
                })
                .collect();

            let mut seen = [0; 2];
            let mut handle_interrupts = || {
                while interrupts.load(Ordering::SeqCst) > 0 {
                    interrupts.fetch_sub(1, Ordering::SeqCst);
                    for kind in pending.take().iter() {
                        seen[kind as usize] += 1;
                        assert!(payloads[kind as usize].load(Ordering::Relaxed), "the post came before its payload");
                    }
                }
            };
            handle_interrupts();
            for poster in posters {
                poster.join().unwrap();
            }
            handle_interrupts();
            assert_eq!(seen, [1, 1]);
            assert!(pending.is_empty());
        });
    }
}
