//! What a CPU asks of others, and what has become of it.

use alloc::boxed::Box;
use core::marker::PhantomData;
use core::mem::MaybeUninit;

use percpu::CpuIndex;

use super::place::{Place, WORD_BITS, words_beside_first};
use crate::atomic::{AtomicBool, AtomicU64, Ordering, UnsafeCell};

/// The one call that a CPU makes at a time.
///
/// Whoever has claimed the outbox ([`Claim`]) writes everything but `done`, and the operation only while `done` equals
/// `sent`. Targets write `done`.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Outbox<O> {
    /// With the operation on one cache line: what targets read and write.
    first: Word,
    /// Written while every request that was sent is done; read by whoever has taken one.
    operation: UnsafeCell<MaybeUninit<O>>,
    in_use: AtomicBool,
    /// The CPU's [`Port`](super::Port) has been given out.
    pub(super) port_is_out: AtomicBool,
    beside_first: Box<[Word]>,
}

/// What has become of the requests to 64 CPUs.
#[derive(Debug)]
pub(super) struct Word {
    /// These have run the operation to its end.
    pub(super) done: AtomicU64,
    /// These have been sent a request that was not taken back.
    pub(super) sent: AtomicU64,
    /// From these the request was taken back.
    pub(super) taken_back: AtomicU64,
    /// These had begun and not ended when the time was over.
    pub(super) late: AtomicU64,
}

impl Word {
    fn new() -> Self {
        let [done, sent, taken_back, late] = core::array::from_fn(|_| AtomicU64::new(0));
        Self { done, sent, taken_back, late }
    }

    /// Whether all that was sent is done. What the targets did is visible then.
    #[inline(always)]
    fn is_settled(&self) -> bool {
        self.done.load(Ordering::Acquire) == self.sent.load(Ordering::Relaxed)
    }

    /// Notes a request; `false` if one was noted before.
    #[inline(always)]
    fn note_sent(&self, target: Place) -> bool {
        let sent = self.sent.load(Ordering::Relaxed);
        self.sent.store(sent | target.bit, Ordering::Relaxed);
        sent & target.bit == 0
    }

    /// Nothing was sent. Only while settled: no target writes.
    #[inline(always)]
    fn reset(&self) {
        self.sent.store(0, Ordering::Relaxed);
        self.done.store(0, Ordering::Relaxed);
    }
}

// SAFETY: `operation` is written by the holder of the claim alone, and only while every request that was sent is done; it is
// read only by a target between taking a request and setting its bit in `done`. So nobody reads while it is written. What is
// shared is copied: `O` is `Copy`. All else is atomic.
unsafe impl<O: Copy + Send> Sync for Outbox<O> {}

impl<O> Outbox<O> {
    /// The outbox of a CPU of so many.
    pub(super) fn new(cpus: u32) -> Self {
        Self {
            first: Word::new(),
            operation: UnsafeCell::new(MaybeUninit::uninit()),
            in_use: AtomicBool::new(false),
            port_is_out: AtomicBool::new(false),
            beside_first: (0..words_beside_first(cpus)).map(|_| Word::new()).collect(),
        }
    }

    /// The words, by number.
    pub(super) fn words(&self) -> impl Iterator<Item = (usize, &Word)> {
        core::iter::once(&self.first).chain(&self.beside_first).enumerate()
    }

    /// Sets a target's bit: it has run the operation, and what that did is published.
    // In line as a whole: a call in the middle of an answer would make that need a stack.
    #[inline(always)]
    pub(super) fn set_done(&self, target: Place) {
        let word = if target.word == 0 { Some(&self.first) } else { self.beside_first.get(target.word - 1) };
        if let Some(word) = word {
            word.done.fetch_or(target.bit, Ordering::Release);
        }
    }

    #[inline(never)]
    fn is_settled_beside_first(&self) -> bool {
        self.beside_first.iter().all(Word::is_settled)
    }
}

impl<O: Copy> Outbox<O> {
    /// The operation.
    ///
    /// # Safety
    /// Only for a target that has taken a request of this outbox, with Acquire, and has not yet called [`Self::set_done`].
    #[inline(always)]
    pub(super) unsafe fn operation(&self) -> O {
        // SAFETY: a request is sent behind `Ready::write`, and taking it has acquired that. It stays unsettled until the caller
        // of this reports it done, so nobody writes.
        self.operation.with(|place| unsafe { (*place).assume_init() })
    }
}

/// The right to use an outbox for a call: one at a time. Dropping it gives the outbox back.
#[derive(Debug)]
pub(super) struct Claim<'x, O> {
    outbox: &'x Outbox<O>,
}

impl<'x, O> Claim<'x, O> {
    /// `None` if a call is being made.
    #[inline(always)]
    pub(super) fn take(outbox: &'x Outbox<O>) -> Option<Self> {
        (!outbox.in_use.swap(true, Ordering::Acquire)).then_some(Self { outbox })
    }

    #[inline(always)]
    pub(super) fn outbox(&self) -> &'x Outbox<O> {
        self.outbox
    }

    /// Notes a request that is about to be sent, before it is; `false` if the target has one of this call already.
    #[inline(always)]
    pub(super) fn note_sent(&self, target: CpuIndex) -> bool {
        let place = Place::of(target);
        if target.get() < WORD_BITS { self.outbox.first.note_sent(place) } else { self.note_sent_beside_first(place) }
    }

    #[inline(never)]
    fn note_sent_beside_first(&self, target: Place) -> bool {
        self.outbox.beside_first.get(target.word - 1).is_some_and(|word| word.note_sent(target))
    }

    /// Whether every request of the last call is done. What the targets did is visible then.
    #[inline(always)]
    pub(super) fn is_settled(&self) -> bool {
        self.outbox.first.is_settled() && (self.outbox.beside_first.is_empty() || self.outbox.is_settled_beside_first())
    }

    /// Forgets the last call; `None` while a request of it is not done.
    #[inline(always)]
    pub(super) fn ready(&self) -> Option<Ready<'_, O>> {
        if !self.outbox.first.is_settled() || !(self.outbox.beside_first.is_empty() || self.reset_beside_first()) {
            return None;
        }
        self.outbox.first.reset();
        Some(Ready { outbox: self.outbox, claim: PhantomData })
    }

    /// Nothing was sent to the CPUs beside the first word; `false` if something was that is not done.
    #[inline(never)]
    fn reset_beside_first(&self) -> bool {
        let settled = self.outbox.is_settled_beside_first();
        if settled {
            self.outbox.beside_first.iter().for_each(Word::reset);
        }
        settled
    }
}

/// A claimed outbox of which no request is out: the operation may be written.
#[derive(Debug)]
pub(super) struct Ready<'c, O> {
    outbox: &'c Outbox<O>,
    /// Nothing is sent meanwhile.
    claim: PhantomData<&'c mut Claim<'c, O>>,
}

impl<O> Ready<'_, O> {
    /// Puts the operation in for the requests that follow.
    #[inline(always)]
    pub(super) fn write(self, operation: O) {
        // SAFETY: by the claim nobody else writes. Everything that was sent is done, so no target has a request and nobody
        // reads; and none is sent before this is over, as only the claim sends.
        self.outbox.operation.with_mut(|place| unsafe { *place = MaybeUninit::new(operation) });
    }
}

impl<O> Drop for Claim<'_, O> {
    #[inline(always)]
    fn drop(&mut self) {
        self.outbox.in_use.store(false, Ordering::Release);
    }
}
