//! The target's side.

use super::exchange::{Mailbox, Slot};
use super::place::WORD_BITS;
use super::port::Port;
use crate::atomic::{AtomicU64, Ordering};

/// A request that was taken: the caller waits until [`Self::done`]. If it is dropped instead, the caller's time runs out, and it
/// names this CPU as one that has begun and not ended.
#[derive(Debug)]
#[must_use = "the caller waits for it"]
pub struct Request<'p, O> {
    port: &'p Port<'p, O>,
    caller: &'p Slot<O>,
}

impl<O: Copy + Send> Request<'_, O> {
    /// What is to be run.
    #[must_use]
    #[inline(always)]
    pub fn operation(&self) -> O {
        // SAFETY: whoever makes a `Request` has taken it from its mailbox, with Acquire; it is reported done by value, so not
        // yet.
        unsafe { self.caller.outbox.operation() }
    }

    /// The operation has been run: what it did is visible to the caller, who goes on.
    #[inline(always)]
    pub fn done(self) {
        self.caller.outbox.set_done(self.port.place());
    }
}

/// What waits at a port, as [`Port::take_only`] finds it.
#[derive(Debug)]
#[must_use = "what waits is to be done"]
pub enum Waiting<'p, O> {
    /// Nothing. What comes after it comes with a kick of its own.
    Nothing,
    /// One request, which was taken.
    One(Request<'p, O>),
    /// More than one, or it cannot be told fast: nothing was taken. For [`Port::answer`].
    More,
}

impl<O: Copy + Send> Port<'_, O> {
    /// Runs what others ask of this CPU, the lowest CPU's request first, and tells how many requests that were. To be called
    /// by the interrupt that a [`Kick`](super::Kick) raises, and while this CPU waits for a call of its own.
    ///
    /// Re-entrant: an interrupt that comes in the middle may call it, too. An operation makes no call.
    #[inline]
    pub fn answer(&self, mut run: impl FnMut(O)) -> usize {
        let mailbox = &self.own().mailbox;
        let ran = self.answer_word(&mailbox.first, 0, &mut run);
        if self.is_first_all() { ran } else { ran + self.answer_beside_first(&mut run) }
    }

    /// The fast path of an interrupt that has just taken its [`PendingSet`](crate::ipi::PendingSet): takes the one request that
    /// waits, as a rule. On a machine of more than 64 CPUs all is left to [`Self::answer`].
    ///
    /// Re-entrant as that.
    #[inline(always)]
    pub fn take_only(&self) -> Waiting<'_, O> {
        if !self.is_first_all() {
            return Waiting::More;
        }
        // A bit that is not seen was set after the pending set was taken: an interrupt of its own follows.
        let word = &self.own().mailbox.first;
        let bits = word.load(Ordering::Relaxed);
        if bits == 0 {
            return Waiting::Nothing;
        }
        if bits & (bits - 1) != 0 || !Mailbox::take(word, bits, 0) {
            return Waiting::More;
        }
        // Bits are set only by ports of the exchange, so that the caller has a slot.
        match self.slot(bits.trailing_zeros()) {
            Some(caller) => Waiting::One(Request { port: self, caller }),
            None => Waiting::Nothing,
        }
    }

    /// Tells whether nobody asks anything of this CPU; out of date at once.
    #[must_use]
    pub fn nothing_waits(&self) -> bool {
        let mailbox = &self.own().mailbox;
        core::iter::once(&mailbox.first).chain(&mailbox.beside_first).all(|word| word.load(Ordering::Relaxed) == 0)
    }

    /// The requests of the CPUs beyond the first word.
    #[inline(never)]
    fn answer_beside_first(&self, run: &mut impl FnMut(O)) -> usize {
        let words = (1_u32..).zip(&self.own().mailbox.beside_first);
        words.map(|(number, word)| self.answer_word(word, number * WORD_BITS, run)).sum()
    }

    /// The requests of the CPUs from `base` on.
    #[inline(always)]
    fn answer_word(&self, word: &AtomicU64, base: u32, run: &mut impl FnMut(O)) -> usize {
        let mut ran = 0;
        // The look needs no order: taking acquires, and a bit that is set after it comes with an interrupt of its own.
        while let bits @ 1.. = word.load(Ordering::Relaxed) {
            if Mailbox::take(word, bits, bits & (bits - 1))
                && let Some(caller) = self.slot(base + bits.trailing_zeros())
            {
                let request = Request { port: self, caller };
                run(request.operation());
                request.done();
                ran += 1;
            }
        }
        ran
    }
}
