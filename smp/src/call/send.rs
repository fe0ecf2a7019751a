//! The caller's side.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use percpu::CpuIndex;

use super::mailbox::{Delivery, Mailbox};
use super::request::{Progress, Request};
use crate::CpuSet;
use crate::clock::{Clock, Wait};

/// How a caller reaches other CPUs.
pub trait Exchange<O> {
    /// A CPU's mailbox; nothing when there is no such CPU, or it is not online.
    fn mailbox(&self, cpu: CpuIndex) -> Option<&Mailbox<O>>;

    /// Makes a CPU look into its mailbox soon: posts to its [`PendingSet`](crate::ipi::PendingSet), and sends the
    /// interrupt if the set was empty. If the interrupt cannot be sent, the CPU is one that does not answer.
    fn poke(&self, cpu: CpuIndex);
}

/// Whom a call is for.
#[derive(Clone, Copy, Debug)]
pub enum Targets<'s> {
    /// One CPU.
    One(CpuIndex),
    /// A set of CPUs. The caller may be among them: it answers itself by its `poll`.
    Set(&'s CpuSet),
    /// Every CPU that is online, but one.
    AllOthers {
        /// The CPUs that are online.
        online: &'s CpuSet,
        /// The CPU that calls.
        caller: CpuIndex,
    },
}

impl Targets<'_> {
    fn collect(self) -> Vec<CpuIndex> {
        match self {
            Self::One(cpu) => alloc::vec![cpu],
            Self::Set(cpus) => cpus.iter().collect(),
            Self::AllOthers { online, caller } => online.iter().filter(|cpu| *cpu != caller).collect(),
        }
    }
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
}

impl fmt::Display for Unanswered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "call not answered by CPUs {:?}, still running on {:?}", self.not_begun, self.running)
    }
}

impl core::error::Error for Unanswered {}

/// Runs an operation on the targets and waits until all have done it, at most `limit_ns` nanoseconds.
///
/// What was written before is visible to the operation; what it wrote is visible after the call.
///
/// `poll` is called again and again while the caller waits, and answers the caller's own mailbox (and whatever
/// else must not wait): that is what keeps two CPUs that call each other from waiting for each other.
///
/// # Errors
/// The CPUs that did not answer in time, or cannot be reached.
pub fn call<O, X, C>(
    exchange: &X,
    targets: Targets<'_>,
    operation: O,
    clock: &C,
    limit_ns: u64,
    mut poll: impl FnMut(),
) -> Result<(), Unanswered>
where
    X: Exchange<O> + ?Sized,
    C: Clock + ?Sized,
{
    let targets = targets.collect();
    let request = Arc::new(Request::new(operation, targets.len()));
    for (position, cpu) in targets.iter().enumerate() {
        match exchange.mailbox(*cpu) {
            Some(mailbox) => {
                mailbox.put(Delivery { request: Arc::clone(&request), position });
                exchange.poke(*cpu);
            }
            None => {
                request.cancel(position);
            }
        }
    }

    Wait::new(clock, limit_ns).until(|| {
        poll();
        request.is_finished()
    });

    let mut unanswered = Unanswered::default();
    for (position, cpu) in targets.iter().enumerate() {
        match request.cancel(position) {
            Progress::Done => {}
            Progress::Running => {
                unanswered.running.insert(*cpu);
            }
            Progress::Cancelled | Progress::Posted => {
                unanswered.not_begun.insert(*cpu);
            }
        }
    }
    if unanswered.is_empty() { Ok(()) } else { Err(unanswered) }
}
