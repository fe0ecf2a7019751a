//! The caller's side.

use percpu::CpuIndex;

use super::error::{CallError, Unanswered};
use super::exchange::Slot;
use super::outbox::{Claim, Ready};
use super::place::{Place, WORD_BITS, cpus_of};
use crate::atomic::Ordering;
use crate::clock::{Clock, Wait};

/// How a caller makes another CPU look into its mailbox soon.
pub trait Kick {
    /// How the kernel names a CPU that is online.
    type Cpu: Copy;

    /// Its index.
    fn index(&self, cpu: Self::Cpu) -> CpuIndex;

    /// Posts to the CPU's [`PendingSet`](crate::ipi::PendingSet), and sends the interrupt if the set was empty. If the
    /// interrupt cannot be sent, the CPU is one that does not answer. Makes no call.
    fn kick(&self, cpu: Self::Cpu);
}

/// How long a call may take.
#[derive(Debug)]
pub struct TimeLimit<'c, C: ?Sized> {
    /// What time it is.
    pub clock: &'c C,
    /// Nanoseconds, from the moment when the call begins to wait; 0 looks once.
    pub ns: u64,
}

impl<C: ?Sized> Clone for TimeLimit<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C: ?Sized> Copy for TimeLimit<'_, C> {}

/// Polls before the clock is asked how long they take. An answer that comes at once costs no look at the clock.
const POLLS_WITHOUT_CLOCK: u32 = 64;

/// A CPU's right to call others and to answer them: there is one for each CPU of an [`Exchange`](super::Exchange), which
/// [`Exchange::port`](super::Exchange::port) gives out.
///
/// A kernel keeps it in the record of the CPU that it is of. The [module](super) says what holds for interrupts and nesting.
#[derive(Debug)]
pub struct Port<'x, O> {
    slots: &'x [Slot<O>],
    own: &'x Slot<O>,
    index: CpuIndex,
    /// The CPU's bit, worked out once.
    place: Place,
    /// No mailbox has more than the first word.
    is_first_all: bool,
}

impl<'x, O: Copy + Send> Port<'x, O> {
    pub(super) const fn new(slots: &'x [Slot<O>], own: &'x Slot<O>, index: CpuIndex) -> Self {
        Self { slots, own, index, place: Place::of(index), is_first_all: slots.len() <= WORD_BITS as usize }
    }

    /// The CPU that it is of.
    #[must_use]
    pub const fn index(&self) -> CpuIndex {
        self.index
    }

    /// Runs an operation on the targets and waits until all have done it. A target that is named twice runs it once.
    ///
    /// What was written before is visible to the operation; what it wrote is visible after the call. The caller may be
    /// among the targets: it answers itself by `poll`.
    ///
    /// `poll` is called again and again while the caller waits, and answers this port (and whatever else must not wait): that
    /// is what keeps two CPUs that call each other from waiting for each other. It makes no call.
    ///
    /// # Errors
    /// [`CallError::Busy`] if the port is making a call; [`CallError::EarlierCallRuns`] if a CPU is still running the operation of
    /// an earlier call, which is waited for first, in the same time; nobody has begun in either case. [`CallError::Unanswered`]
    /// if the time was over before all had done it, or a target is none of the exchange's.
    #[inline(always)]
    pub fn call<K: Kick, C: Clock + ?Sized>(
        &self,
        kick: &K,
        targets: impl IntoIterator<Item = K::Cpu>,
        operation: O,
        limit: TimeLimit<'_, C>,
        mut poll: impl FnMut(),
    ) -> Result<(), CallError<'_, O>> {
        let Some(claim) = Claim::take(&self.own.outbox) else { return Err(CallError::Busy) };
        match self.make(&claim, kick, targets.into_iter(), operation, limit, &mut poll) {
            Ok(()) => Ok(()),
            Err(failure) => self.name(claim, failure),
        }
    }

    /// The call, and which way it failed.
    #[inline(always)]
    fn make<K: Kick, C: Clock + ?Sized>(
        &self,
        claim: &Claim<'_, O>,
        kick: &K,
        mut targets: impl Iterator<Item = K::Cpu>,
        operation: O,
        limit: TimeLimit<'_, C>,
        poll: &mut impl FnMut(),
    ) -> Result<(), Failure> {
        let Some(ready) = claim.ready().or_else(|| ready_later(claim, limit, poll)) else {
            return Err(Failure::EarlierCallRuns);
        };
        ready.write(operation);
        while let Some(target) = targets.next() {
            if !self.send(claim, kick, target) {
                return Err(self.make_with_unknown(claim, kick, kick.index(target), targets, limit, poll));
            }
        }
        if wait(claim, limit, poll) { Ok(()) } else { Err(Failure::TimeIsOver) }
    }

    /// Sends a request; `false` if there is no such CPU.
    #[inline(always)]
    fn send<K: Kick>(&self, claim: &Claim<'_, O>, kick: &K, target: K::Cpu) -> bool {
        let index = kick.index(target);
        let Some(slot) = self.slot(index.get()) else { return false };
        // Noted first: the target may be done before the next line.
        if claim.note_sent(index) {
            slot.mailbox.put(self.place);
            kick.kick(target);
        }
        true
    }

    /// The rest of a call in which a target is none of the exchange's. The first of those is named.
    #[cold]
    #[inline(never)]
    fn make_with_unknown<K: Kick, C: Clock + ?Sized>(
        &self,
        claim: &Claim<'_, O>,
        kick: &K,
        unknown: CpuIndex,
        targets: impl Iterator<Item = K::Cpu>,
        limit: TimeLimit<'_, C>,
        poll: &mut impl FnMut(),
    ) -> Failure {
        for target in targets {
            let _known = self.send(claim, kick, target);
        }
        let _settled = wait(claim, limit, poll);
        Failure::Unknown(unknown)
    }

    /// The call has failed: takes back what nobody has begun, and says what has become of each request.
    #[cold]
    #[inline(never)]
    pub(super) fn name<'p>(&'p self, claim: Claim<'p, O>, failure: Failure) -> Result<(), CallError<'p, O>> {
        let unknown = match failure {
            Failure::EarlierCallRuns => {
                note_late(&claim);
                return Err(CallError::EarlierCallRuns(Unanswered::new(claim, None)));
            }
            Failure::TimeIsOver => None,
            Failure::Unknown(cpu) => Some(cpu),
        };
        for (number, word) in claim.outbox().words() {
            let sent = word.sent.load(Ordering::Relaxed);
            let open = cpus_of(number, sent & !word.done.load(Ordering::Relaxed));
            let taken_back = open
                .filter(|cpu| self.slot(cpu.get()).is_some_and(|slot| slot.mailbox.take_back(self.place)))
                .fold(0, |bits, cpu| bits | Place::of(cpu).bit);
            word.taken_back.store(taken_back, Ordering::Relaxed);
            word.sent.store(sent & !taken_back, Ordering::Relaxed);
        }
        note_late(&claim);
        let unanswered = Unanswered::new(claim, unknown);
        // All may have come to the end meanwhile.
        if unanswered.iter().next().is_none() { Ok(()) } else { Err(CallError::Unanswered(unanswered)) }
    }

    #[inline(always)]
    pub(super) const fn own(&self) -> &'x Slot<O> {
        self.own
    }

    #[inline(always)]
    pub(super) fn slot(&self, cpu: u32) -> Option<&'x Slot<O>> {
        self.slots.get(cpu as usize)
    }

    #[inline(always)]
    pub(super) const fn is_first_all(&self) -> bool {
        self.is_first_all
    }

    #[inline(always)]
    pub(super) const fn place(&self) -> Place {
        self.place
    }
}

/// Which way a call failed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Failure {
    EarlierCallRuns,
    TimeIsOver,
    Unknown(CpuIndex),
}

impl<O> Drop for Port<'_, O> {
    fn drop(&mut self) {
        self.own.outbox.port_is_out.store(false, Ordering::Release);
    }
}

/// A CPU is still running the operation of an earlier call: waits for it; `None` if that takes too long.
#[cold]
#[inline(never)]
fn ready_later<'c, O: Copy, C: Clock + ?Sized>(
    claim: &'c Claim<'_, O>,
    limit: TimeLimit<'_, C>,
    poll: &mut impl FnMut(),
) -> Option<Ready<'c, O>> {
    if wait(claim, limit, poll) { claim.ready() } else { None }
}

/// Notes who has begun and not ended.
#[cold]
fn note_late<O>(claim: &Claim<'_, O>) {
    for (_, word) in claim.outbox().words() {
        // Acquire: what is not late is done, and what it did is visible.
        let late = word.sent.load(Ordering::Relaxed) & !word.done.load(Ordering::Acquire);
        word.late.store(late, Ordering::Relaxed);
    }
}

/// Waits until all requests are settled, or the time is over; tells whether they are. The first look comes behind the first
/// pause: an interrupt takes longer than that.
#[inline(always)]
fn wait<O: Copy, C: Clock + ?Sized>(claim: &Claim<'_, O>, limit: TimeLimit<'_, C>, poll: &mut impl FnMut()) -> bool {
    for _ in 0..POLLS_WITHOUT_CLOCK {
        // One pause for each look, as in `Wait::until`: others wait for this CPU's poll.
        core::hint::spin_loop();
        if claim.is_settled() {
            return true;
        }
        poll();
    }
    wait_long(claim, limit, poll)
}

#[inline(never)]
fn wait_long<O: Copy, C: Clock + ?Sized>(
    claim: &Claim<'_, O>,
    limit: TimeLimit<'_, C>,
    poll: &mut impl FnMut(),
) -> bool {
    Wait::new(limit.clock, limit.ns).until(|| {
        poll();
        claim.is_settled()
    })
}
