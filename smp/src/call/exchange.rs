//! The mailboxes and outboxes of all CPUs.

use alloc::boxed::Box;

use crossbeam_utils::CachePadded;
use percpu::CpuIndex;

use super::outbox::Outbox;
use super::place::{Place, words_beside_first};
use super::port::Port;
use crate::atomic::{AtomicU64, Ordering};

/// Where CPUs ask something of each other: owns what each of them needs for it.
///
/// `O` is the kernel's own type of operations, of which a [`Flush`](crate::tlb::Flush) may be one. It is copied to each target.
///
/// Each CPU takes 256 bytes, and 40 more for every 64 CPUs beyond the first 64.
#[derive(Debug)]
pub struct Exchange<O> {
    slots: Box<[Slot<O>]>,
}

/// One CPU's part. What all write and what one CPU asks lie on lines of their own.
#[derive(Debug)]
pub(super) struct Slot<O> {
    pub(super) mailbox: CachePadded<Mailbox>,
    pub(super) outbox: CachePadded<Outbox<O>>,
}

impl<O: Copy + Send> Exchange<O> {
    /// An exchange for the CPUs with the indices below `cpus`, online or not.
    #[must_use]
    pub fn new(cpus: u32) -> Self {
        let slot =
            |_| Slot { mailbox: CachePadded::new(Mailbox::new(cpus)), outbox: CachePadded::new(Outbox::new(cpus)) };
        Self { slots: (0..cpus).map(slot).collect() }
    }

    /// A CPU's port, if there is such a CPU and its port is not given out. A port that is dropped can be had again.
    #[must_use]
    pub fn port(&self, cpu: CpuIndex) -> Option<Port<'_, O>> {
        let own = self.slots.get(cpu.as_usize())?;
        (!own.outbox.port_is_out.swap(true, Ordering::Acquire)).then(|| Port::new(&self.slots, own, cpu))
    }
}

/// The CPUs whose calls wait for one CPU, one bit each.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Mailbox {
    /// CPUs 0 to 63.
    pub(super) first: AtomicU64,
    /// All others.
    pub(super) beside_first: Box<[AtomicU64]>,
}

impl Mailbox {
    fn new(cpus: u32) -> Self {
        let beside_first = (0..words_beside_first(cpus)).map(|_| AtomicU64::new(0)).collect();
        Self { first: AtomicU64::new(0), beside_first }
    }

    /// Leaves a CPU's request.
    #[inline(always)]
    pub(super) fn put(&self, caller: Place) {
        // Release: who takes the request sees the operation.
        if caller.word == 0 {
            self.first.fetch_or(caller.bit, Ordering::Release);
        } else {
            self.put_beside_first(caller);
        }
    }

    #[inline(never)]
    fn put_beside_first(&self, caller: Place) {
        if let Some(word) = self.beside_first.get(caller.word - 1) {
            word.fetch_or(caller.bit, Ordering::Release);
        }
    }

    /// Takes a CPU's request back; `false` if it is not there any more: it has been taken.
    pub(super) fn take_back(&self, caller: Place) -> bool {
        let word = core::iter::once(&self.first).chain(&self.beside_first).nth(caller.word);
        word.is_some_and(|word| word.fetch_and(!caller.bit, Ordering::Relaxed) & caller.bit != 0)
    }

    /// Takes a request: makes of the bits that were just seen in a word the rest. `false` if the word is not what it was any
    /// more.
    #[inline(always)]
    pub(super) fn take(word: &AtomicU64, bits: u64, rest: u64) -> bool {
        // Acquire: whoever takes a request sees the operation, which was written before the bit was set.
        word.compare_exchange(bits, rest, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }
}
