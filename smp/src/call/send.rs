//! The caller's side.

use core::fmt;

use percpu::CpuIndex;

use super::mailbox::Mailbox;
use super::outbox::Outbox;
use crate::CpuSet;
use crate::clock::{Clock, Wait};

/// How a caller reaches other CPUs.
pub trait Exchange {
    /// A CPU that is there and online.
    type Cpu: Copy;

    /// How many CPUs there are, online or not.
    fn cpus(&self) -> u32;

    /// The CPU with this index; nothing when there is no such CPU, or it is not online.
    fn find(&self, cpu: CpuIndex) -> Option<Self::Cpu>;

    /// The index of a CPU that was found.
    fn index(&self, cpu: Self::Cpu) -> CpuIndex;

    /// A CPU's mailbox.
    fn mailbox(&self, cpu: Self::Cpu) -> &Mailbox;

    /// Makes a CPU look into its mailbox soon: posts to its [`PendingSet`](crate::ipi::PendingSet), and sends the
    /// interrupt if the set was empty. If the interrupt cannot be sent, the CPU is one that does not answer.
    fn poke(&self, cpu: Self::Cpu);
}

/// Polls before the clock is asked how long they take. An answer that comes at once costs no look at the clock.
const POLLS_WITHOUT_CLOCK: u32 = 64;

/// The CPUs that had not done what they were called for when the time was over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unanswered {
    /// They had not begun, and never will: the request was taken back, or never reached them.
    pub not_begun: CpuSet,
    /// They had begun, and may still be at it.
    pub running: CpuSet,
}

impl Unanswered {
    fn is_empty(&self) -> bool {
        self.not_begun.is_empty() && self.running.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = CpuIndex> {
        self.not_begun.iter().chain(self.running.iter())
    }
}

impl fmt::Display for Unanswered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "call not answered by CPUs {:?}, still running on {:?}", self.not_begun, self.running)
    }
}

impl core::error::Error for Unanswered {}

/// A call that is to be made.
#[derive(Debug)]
pub struct Call<'c, O, X: ?Sized, C: ?Sized> {
    /// How to reach the others.
    pub exchange: &'c X,
    /// The CPU that calls: the one that runs this code.
    pub caller: CpuIndex,
    /// The caller's outbox.
    pub outbox: &'c Outbox<O>,
    /// What time it is.
    pub clock: &'c C,
    /// How long to wait, in nanoseconds.
    pub limit_ns: u64,
}

impl<O: Copy, X: Exchange + ?Sized, C: Clock + ?Sized> Call<'_, O, X, C> {
    /// Runs an operation on the targets and waits until all have done it.
    ///
    /// What was written before is visible to the operation; what it wrote is visible after the call. The caller may be
    /// among the targets: it answers itself by `poll`.
    ///
    /// `poll` is called again and again while the caller waits, and answers the caller's own mailbox (and whatever
    /// else must not wait): that is what keeps two CPUs that call each other from waiting for each other. It makes no call.
    ///
    /// # Errors
    /// The CPUs that did not answer in time, or cannot be reached. A CPU that is still running the operation of an earlier call
    /// makes the caller wait for that first, in the same time; nobody has begun then.
    #[inline]
    pub fn make(
        &self,
        targets: impl IntoIterator<Item = CpuIndex>,
        operation: O,
        mut poll: impl FnMut(),
    ) -> Result<(), Unanswered> {
        let targets = targets.into_iter().map(|index| self.exchange.find(index).ok_or(index));
        self.send(targets, operation, &mut poll)
    }

    /// The same for targets that the caller has found already.
    ///
    /// # Errors
    /// As [`Self::make`].
    #[inline(always)]
    pub fn make_found(
        &self,
        targets: impl IntoIterator<Item = X::Cpu>,
        operation: O,
        mut poll: impl FnMut(),
    ) -> Result<(), Unanswered> {
        self.send(targets.into_iter().map(Ok), operation, &mut poll)
    }

    #[inline(always)]
    fn send(
        &self,
        targets: impl Iterator<Item = Result<X::Cpu, CpuIndex>>,
        operation: O,
        poll: &mut impl FnMut(),
    ) -> Result<(), Unanswered> {
        if !self.begin(operation, poll) {
            let indices = targets.map(|target| target.map_or_else(|missing| missing, |cpu| self.exchange.index(cpu)));
            return Err(Unanswered { not_begun: indices.collect(), running: CpuSet::new() });
        }
        let outbox = self.outbox;
        let mut missing: Option<CpuSet> = None;
        for target in targets {
            match target {
                Ok(cpu) => {
                    // Counted first: the target may be done before the next line.
                    outbox.count_sent();
                    self.exchange.mailbox(cpu).put(self.caller);
                    self.exchange.poke(cpu);
                }
                Err(index) => {
                    missing.get_or_insert_default().insert(index);
                }
            }
        }
        let settled = self.wait(poll);
        let result = if settled && missing.is_none() { Ok(()) } else { self.name(missing, settled) };
        outbox.release();
        result
    }

    /// Claims the outbox and puts the operation in; `false` if that is not possible in the time.
    #[inline(always)]
    fn begin(&self, operation: O, poll: &mut impl FnMut()) -> bool {
        self.outbox.claim() && (self.outbox.write(operation) || self.begin_later(operation, poll))
    }

    /// A CPU is still running the operation of an earlier call.
    #[cold]
    #[inline(never)]
    fn begin_later(&self, operation: O, poll: &mut impl FnMut()) -> bool {
        let written = self.wait(poll) && self.outbox.write(operation);
        if !written {
            self.outbox.release();
        }
        written
    }

    /// Not all have done it: takes back what nobody has begun, and names everybody.
    #[cold]
    fn name(&self, missing: Option<CpuSet>, settled: bool) -> Result<(), Unanswered> {
        let mut unanswered = Unanswered { not_begun: missing.unwrap_or_default(), running: CpuSet::new() };
        if !settled {
            self.take_back(&mut unanswered);
        }
        if unanswered.is_empty() { Ok(()) } else { Err(unanswered) }
    }

    /// Waits until all requests are settled, or the time is over; tells whether they are. The first look comes behind the first pause:
    /// an interrupt takes longer than that.
    #[inline(always)]
    fn wait(&self, poll: &mut impl FnMut()) -> bool {
        for _ in 0..POLLS_WITHOUT_CLOCK {
            core::hint::spin_loop();
            if self.outbox.is_settled() {
                return true;
            }
            poll();
        }
        self.wait_long(poll)
    }

    #[inline(never)]
    fn wait_long(&self, poll: &mut impl FnMut()) -> bool {
        Wait::new(self.clock, self.limit_ns).until(|| {
            poll();
            self.outbox.is_settled()
        })
    }

    /// The time is over: takes back what nobody has begun, and names who has begun and not ended.
    fn take_back(&self, unanswered: &mut Unanswered) {
        let cpus = (0..self.exchange.cpus()).map(CpuIndex::new);
        for (cpu, mailbox) in cpus.filter_map(|cpu| Some((cpu, self.exchange.mailbox(self.exchange.find(cpu)?)))) {
            if mailbox.take(self.caller) {
                self.outbox.count_taken_back();
                unanswered.not_begun.insert(cpu);
            } else if mailbox.is_serving(self.caller) && !self.outbox.is_settled() {
                unanswered.running.insert(cpu);
            }
        }
        if self.outbox.is_settled() {
            // Who was named as running has ended meanwhile.
            unanswered.running = CpuSet::new();
        }
    }
}
