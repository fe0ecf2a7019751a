//! The caller's side.

use core::fmt;

use percpu::CpuIndex;

use super::mailbox::Mailbox;
use super::outbox::Outbox;
use crate::CpuSet;
use crate::clock::{Clock, Wait};

/// How a caller reaches other CPUs.
pub trait Exchange<O> {
    /// How many CPUs there are, online or not.
    fn cpus(&self) -> u32;

    /// A CPU's mailbox; nothing when there is no such CPU, or it is not online.
    fn mailbox(&self, cpu: CpuIndex) -> Option<&Mailbox>;

    /// Makes a CPU look into its mailbox soon: posts to its [`PendingSet`](crate::ipi::PendingSet), and sends the
    /// interrupt if the set was empty. If the interrupt cannot be sent, the CPU is one that does not answer.
    fn poke(&self, cpu: CpuIndex);
}

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

impl<O: Copy, X: Exchange<O> + ?Sized, C: Clock + ?Sized> Call<'_, O, X, C> {
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
    pub fn make(
        &self,
        targets: impl IntoIterator<Item = CpuIndex>,
        operation: O,
        mut poll: impl FnMut(),
    ) -> Result<(), Unanswered> {
        let outbox = self.outbox;
        let mut wait = Wait::new(self.clock, self.limit_ns);
        let nobody = |targets| Unanswered { not_begun: CpuSet::from_iter(targets), running: CpuSet::new() };
        if !outbox.claim() {
            return Err(nobody(targets.into_iter()));
        }
        if !outbox.is_settled()
            && !wait.until(|| {
                poll();
                outbox.is_settled()
            })
        {
            outbox.release();
            return Err(nobody(targets.into_iter()));
        }
        let mut missing = CpuSet::new();
        outbox.write(operation);
        for cpu in targets {
            // Counted first: the target may be done before the next line.
            outbox.count_sent();
            if self.exchange.mailbox(cpu).is_some_and(|mailbox| mailbox.put(self.caller)) {
                self.exchange.poke(cpu);
            } else {
                outbox.count_taken_back();
                missing.insert(cpu);
            }
        }
        let all_done = outbox.is_settled()
            || wait.until(|| {
                poll();
                outbox.is_settled()
            });
        let mut unanswered = Unanswered { not_begun: missing, running: CpuSet::new() };
        if !all_done {
            self.take_back(&mut unanswered);
        }
        outbox.release();
        if unanswered.is_empty() { Ok(()) } else { Err(unanswered) }
    }

    /// The time is over: takes back what nobody has begun, and names who has begun and not ended.
    #[cold]
    fn take_back(&self, unanswered: &mut Unanswered) {
        let cpus = (0..self.exchange.cpus()).map(CpuIndex::new);
        for (cpu, mailbox) in cpus.filter_map(|cpu| Some((cpu, self.exchange.mailbox(cpu)?))) {
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
