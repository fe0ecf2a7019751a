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
    /// mailbox belongs to, when it was kicked and while it waits for a call of its own. `outbox` finds a CPU's outbox.
    ///
    /// An operation does not make a call itself.
    #[inline]
    pub fn answer<'m, O: Copy + 'm>(
        &self,
        outbox: impl Fn(CpuIndex) -> Option<&'m Outbox<O>>,
        mut run: impl FnMut(O),
    ) -> usize {
        let ran = self.answer_word(&self.first, 0, &outbox, &mut run);
        if self.more.is_empty() { ran } else { ran + self.answer_more(&outbox, &mut run) }
    }

    /// The fast path of an interrupt that has just taken its [`PendingSet`](crate::ipi::PendingSet): the request of one of the
    /// first 64 CPUs, which `run` carries out, or refuses and does nothing. `false`: there is more to do, by
    /// [`Self::answer_rest`].
    #[inline(always)]
    pub fn answer_one<'m, O: Copy + 'm>(
        &self,
        outbox: impl Fn(CpuIndex) -> Option<&'m Outbox<O>>,
        run: impl FnOnce(O) -> bool,
    ) -> bool {
        let bits = self.first.load(Ordering::Relaxed);
        if bits != 0 {
            let Some(caller) = self.take_lowest(&self.first, bits, 0) else { return false };
            // What is not carried out here stays taken, and noted as such.
            let Some(outbox) = outbox(caller) else { return false };
            let Some(operation) = outbox.operation() else { return false };
            if !run(operation) {
                return false;
            }
            outbox.count_done();
            self.serving.store(0, Ordering::Relaxed);
        }
        // A bit that was not seen was set after the pending set was taken: an interrupt of its own follows.
        bits & bits.wrapping_sub(1) == 0 && self.more.is_empty()
    }

    /// Carries out what [`Self::answer_one`] has left, and all else that waits, as [`Self::answer`].
    pub fn answer_rest<'m, O: Copy + 'm>(
        &self,
        outbox: impl Fn(CpuIndex) -> Option<&'m Outbox<O>>,
        mut run: impl FnMut(O),
    ) -> usize {
        let begun = self.serving.load(Ordering::Relaxed).checked_sub(1).map(CpuIndex::new);
        let ran = begun.map_or(0, |caller| self.carry_out(outbox(caller), &mut run));
        ran + self.answer(outbox, run)
    }

    /// The requests of the CPUs beyond the first word.
    #[inline(never)]
    fn answer_more<'m, O: Copy + 'm>(
        &self,
        outbox: &impl Fn(CpuIndex) -> Option<&'m Outbox<O>>,
        run: &mut impl FnMut(O),
    ) -> usize {
        let words = (1_u32..).zip(&self.more);
        words.map(|(number, word)| self.answer_word(word, number * WORD_BITS, outbox, run)).sum()
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
        // The look needs no order: taking acquires, and a bit that is set after it comes with an interrupt of its own.
        while let bits @ 1.. = word.load(Ordering::Relaxed) {
            if let Some(caller) = self.take_lowest(word, bits, base) {
                ran += self.carry_out(outbox(caller), run);
            }
        }
        ran
    }

    /// Takes the request of the lowest bit: it is noted as being carried out. `None` if the word is not what it was any more.
    #[inline(always)]
    fn take_lowest(&self, word: &AtomicU64, bits: u64, base: u32) -> Option<CpuIndex> {
        let caller = CpuIndex::new(base + bits.trailing_zeros());
        self.serving.store(caller.get() + 1, Ordering::Relaxed);
        let rest = bits & (bits - 1);
        if word.compare_exchange(bits, rest, Ordering::Acquire, Ordering::Relaxed).is_err() {
            self.serving.store(0, Ordering::Relaxed);
            return None;
        }
        Some(caller)
    }

    /// Carries out a request that was taken; tells how many that were.
    #[inline(always)]
    fn carry_out<'m, O: Copy + 'm>(&self, outbox: Option<&'m Outbox<O>>, run: &mut impl FnMut(O)) -> usize {
        let mut ran = 0;
        if let Some(outbox) = outbox {
            if let Some(operation) = outbox.operation() {
                run(operation);
                ran = 1;
            }
            outbox.count_done();
        }
        self.serving.store(0, Ordering::Relaxed);
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
        assert!(outbox.claim() && outbox.write(number));
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

    /// The fast path and the rest are the same as one answer, whoever refuses, and take-backs or not.
    #[test]
    fn the_fast_path_and_the_rest_carry_out_each_request_once() {
        for refuses in [false, true] {
            loom::model(move || {
                let mailbox = Arc::new(Mailbox::new(2));
                let outboxes = Arc::new([Outbox::<usize>::new(), Outbox::new()]);
                let sum = Sum::default();
                let target = {
                    let (mailbox, outboxes, sum) = (Arc::clone(&mailbox), Arc::clone(&outboxes), Arc::clone(&sum));
                    thread::spawn(move || {
                        let add = |number| {
                            sum.fetch_add(number, Ordering::Relaxed);
                        };
                        let find = |cpu: CpuIndex| outboxes.get(cpu.as_usize());
                        let run = |number| {
                            if !refuses {
                                add(number);
                            }
                            !refuses
                        };
                        if !mailbox.answer_one(find, run) {
                            mailbox.answer_rest(find, add);
                        }
                    })
                };
                let mut expected = 0;
                for caller in 0..2 {
                    ask(&outboxes[caller], caller + 1);
                    mailbox.put(CpuIndex::new(caller as u32));
                    expected += caller + 1;
                }
                if mailbox.take(CpuIndex::BOOT) {
                    outboxes[0].count_taken_back();
                    expected -= 1;
                }
                target.join().unwrap();
                mailbox.answer(
                    |cpu| outboxes.get(cpu.as_usize()),
                    |number| {
                        sum.fetch_add(number, Ordering::Relaxed);
                    },
                );
                assert_eq!(sum.load(Ordering::Relaxed), expected);
                assert!(outboxes.iter().all(Outbox::is_settled));
                assert_eq!(mailbox.serving.load(Ordering::Relaxed), 0);
            });
        }
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
                assert!(outbox.write(10));
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
