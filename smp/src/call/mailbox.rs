//! Who asks something of a CPU.

use alloc::boxed::Box;

use percpu::CpuIndex;

use super::outbox::Outbox;
use crate::atomic::{AtomicU32, AtomicU64, Ordering};

/// CPUs a word.
const WORD_BITS: u32 = u64::BITS;

/// The CPUs whose calls wait for one CPU, one bit each. Any CPU sets its own bit; the CPU that the mailbox belongs to
/// clears it.
#[derive(Debug)]
pub struct Mailbox {
    /// CPUs 0 to 63: with the rest of the CPU's record, on no line of another CPU's mailbox.
    first: AtomicU64,
    /// All others.
    more: Box<[AtomicU64]>,
    /// The CPU whose request is being carried out, and one; 0 for none. Only the owner writes.
    serving: AtomicU32,
}

impl Mailbox {
    /// An empty mailbox on a machine with so many CPUs.
    #[must_use]
    pub fn new(cpus: usize) -> Self {
        let more = cpus.div_ceil(WORD_BITS as usize).saturating_sub(1);
        Self {
            first: AtomicU64::new(0),
            more: (0..more).map(|_| AtomicU64::new(0)).collect(),
            serving: AtomicU32::new(0),
        }
    }

    /// Carries out what waits, the lowest CPU first, and tells how many requests that were. Called by the CPU that the
    /// mailbox belongs to, when it was poked and while it waits for a call of its own. `outbox` finds a CPU's outbox.
    ///
    /// An operation does not make a call itself.
    #[inline]
    pub fn answer<'m, O: Copy + 'm>(
        &self,
        outbox: impl Fn(CpuIndex) -> Option<&'m Outbox<O>>,
        mut run: impl FnMut(O),
    ) -> usize {
        let mut ran = self.answer_word(&self.first, 0, &outbox, &mut run);
        for (number, word) in self.more.iter().enumerate() {
            ran += self.answer_word(word, (number as u32 + 1) * WORD_BITS, &outbox, &mut run);
        }
        ran
    }

    /// The requests of the CPUs from `base` on.
    #[inline(always)]
    fn answer_word<'m, O: Copy + 'm>(
        &self,
        word: &AtomicU64,
        base: u32,
        outbox: &impl Fn(CpuIndex) -> Option<&'m Outbox<O>>,
        run: &mut impl FnMut(O),
    ) -> usize {
        let mut ran = 0;
        // The look needs no order: `fetch_and` acquires, and a bit that is set after it comes with an interrupt of its own.
        while let bits @ 1.. = word.load(Ordering::Relaxed) {
            let caller = CpuIndex::new(base + bits.trailing_zeros());
            self.serving.store(caller.get() + 1, Ordering::Relaxed);
            // The lowest bit.
            let bit = bits & bits.wrapping_neg();
            if word.fetch_and(!bit, Ordering::Acquire) & bit != 0
                && let Some(outbox) = outbox(caller)
            {
                if let Some(operation) = outbox.operation() {
                    run(operation);
                    ran += 1;
                }
                outbox.count_done();
            }
            self.serving.store(0, Ordering::Relaxed);
        }
        ran
    }

    /// Tells whether nothing waits; out of date at once.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        core::iter::once(&self.first).chain(&self.more).all(|word| word.load(Ordering::Relaxed) == 0)
    }

    /// Leaves a CPU's request.
    ///
    /// # Panics
    /// For a CPU that the mailbox was not made for.
    #[inline]
    pub(super) fn put(&self, caller: CpuIndex) {
        let (word, bit) = self.place(caller);
        // Release: who takes the request sees the operation.
        word.fetch_or(bit, Ordering::Release);
    }

    /// Takes a CPU's request away, to carry it out or to take it back; `false` if it is not there any more.
    ///
    /// # Panics
    /// As [`Self::put`].
    #[inline]
    pub(super) fn take(&self, caller: CpuIndex) -> bool {
        let (word, bit) = self.place(caller);
        word.fetch_and(!bit, Ordering::Acquire) & bit != 0
    }

    /// Whether the CPU's request is being carried out; out of date at once.
    pub(super) fn is_serving(&self, caller: CpuIndex) -> bool {
        self.serving.load(Ordering::Relaxed) == caller.get() + 1
    }

    #[inline]
    fn place(&self, caller: CpuIndex) -> (&AtomicU64, u64) {
        let bit = 1 << (caller.get() % WORD_BITS);
        match (caller.get() / WORD_BITS) as usize {
            0 => (&self.first, bit),
            number => (&self.more[number - 1], bit),
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicUsize;
    use loom::thread;

    use super::*;

    /// A cell that each request adds to, without ordering of its own.
    type Sum = Arc<AtomicUsize>;

    fn ask(outbox: &Outbox<usize>, number: usize) {
        assert!(outbox.claim());
        outbox.write(number);
        outbox.count_sent();
    }

    #[test]
    fn what_the_target_did_is_visible_when_it_is_done() {
        loom::model(|| {
            let mailbox = Arc::new(Mailbox::new(2));
            let outboxes = Arc::new([Outbox::<usize>::new(), Outbox::new()]);
            let sum = Sum::default();
            let callers: std::vec::Vec<_> = [0, 1]
                .into_iter()
                .map(|caller| {
                    let (mailbox, outboxes, sum) = (Arc::clone(&mailbox), Arc::clone(&outboxes), Arc::clone(&sum));
                    thread::spawn(move || {
                        ask(&outboxes[caller], caller + 1);
                        mailbox.put(CpuIndex::new(caller as u32));
                        outboxes[caller].is_settled().then(|| sum.load(Ordering::Relaxed))
                    })
                })
                .collect();
            let answer = || {
                mailbox.answer(
                    |cpu| outboxes.get(cpu.as_usize()),
                    |number| {
                        sum.fetch_add(number, Ordering::Relaxed);
                    },
                )
            };
            let mut ran = answer();
            for (caller, handle) in callers.into_iter().enumerate() {
                if let Some(seen) = handle.join().unwrap() {
                    assert!(seen == 3 || seen == caller + 1, "caller {caller} saw {seen}");
                }
            }
            ran += answer();
            assert_eq!(ran, 2);
            assert_eq!(sum.load(Ordering::Relaxed), 3);
            assert!(outboxes.iter().all(Outbox::is_settled));
        });
    }

    /// The caller takes its request back and makes another call: the target carries out each at most once, and never reads
    /// an operation while it is written.
    #[test]
    fn taking_back_and_carrying_out_never_both_win() {
        loom::model(|| {
            let mailbox = Arc::new(Mailbox::new(1));
            let outbox = Arc::new(Outbox::<usize>::new());
            let sum = Sum::default();
            let target = {
                let (mailbox, outbox, sum) = (Arc::clone(&mailbox), Arc::clone(&outbox), Arc::clone(&sum));
                thread::spawn(move || {
                    mailbox.answer(
                        |_| Some(&*outbox),
                        |number| {
                            sum.fetch_add(number, Ordering::Relaxed);
                        },
                    )
                })
            };
            ask(&outbox, 1);
            mailbox.put(CpuIndex::BOOT);
            let taken_back = mailbox.take(CpuIndex::BOOT);
            if taken_back {
                outbox.count_taken_back();
            }
            let mut expected = usize::from(!taken_back);
            if outbox.is_settled() {
                outbox.write(10);
                outbox.count_sent();
                mailbox.put(CpuIndex::BOOT);
                expected += 10;
            }
            target.join().unwrap();
            let add = |number| {
                sum.fetch_add(number, Ordering::Relaxed);
            };
            mailbox.answer(|_| Some(&*outbox), add);
            assert_eq!(sum.load(Ordering::Relaxed), expected);
            assert!(outbox.is_settled());
        });
    }
}
