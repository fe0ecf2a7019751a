//! What other CPUs want of a CPU's scheduler.

use core::sync::atomic::{AtomicU8, AtomicU32, Ordering, fence};

use alloc::sync::Arc;
use gatehouse_core::intrusive::{Inbox, PriorityInbox};
use percpu::CpuIndex;

use crate::thread::{Attended, Thread};

/// Nobody asks.
const NOBODY: u32 = u32::MAX;

/// What other CPUs hand to one CPU, and ask of it. Any CPU writes.
#[derive(Debug)]
pub struct Requests {
    inbox: Inbox<Thread>,
    /// For threads below this priority nobody interrupts the CPU to have timers or threads looked at.
    floor: AtomicU8,
    /// The CPU that asks for a thread.
    asker: AtomicU32,
    /// Threads that are to stop or to leave and that may be ready here, or run here.
    attended: PriorityInbox<Thread, Attended>,
}

impl Requests {
    /// Nothing is wanted.
    pub(super) const fn new() -> Self {
        Self {
            inbox: Inbox::new(),
            floor: AtomicU8::new(0),
            asker: AtomicU32::new(NOBODY),
            attended: PriorityInbox::new(),
        }
    }

    /// Hands a thread to this CPU; the caller kicks it afterwards.
    pub fn put(&self, thread: Arc<Thread>) {
        self.inbox.put(thread);
    }

    /// Takes all threads that were handed over, oldest first. Only on the owning CPU.
    pub fn take_threads(&self, each: impl FnMut(Arc<Thread>)) {
        self.inbox.take_all(each);
    }

    /// Whether no thread is on its way to this CPU; out of date at once.
    #[must_use]
    pub fn has_no_arrivals(&self) -> bool {
        self.inbox.is_empty()
    }

    /// Where other CPUs put threads that are to stop, or to leave, and may be ready here. Only the owning CPU takes.
    #[must_use]
    pub const fn attended(&self) -> &PriorityInbox<Thread, Attended> {
        &self.attended
    }

    /// Whether this CPU is to be interrupted for what a thread of this priority has just put into one of its inboxes. If not, it looks
    /// there by itself, soon.
    #[must_use]
    pub fn is_interrupted_for(&self, priority: u8) -> bool {
        // With the fence of `lower_floor`: either the CPU sees what was put in, or its new floor is seen here.
        fence(Ordering::SeqCst);
        priority >= self.floor.load(Ordering::Relaxed)
    }

    /// It is not to be interrupted for priorities below this one, for now. Only on the owning CPU.
    pub fn raise_floor(&self, floor: u8) {
        if self.floor.load(Ordering::Relaxed) < floor {
            self.floor.store(floor, Ordering::Relaxed);
        }
    }

    /// It is to be interrupted for all priorities again. Only on the owning CPU, which looks into its inboxes afterwards.
    pub fn lower_floor(&self) {
        self.floor.store(0, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Asks this CPU for a thread, on behalf of another one; `false` if a third asks already.
    pub fn ask(&self, asker: CpuIndex) -> bool {
        self.asker.compare_exchange(NOBODY, asker.get(), Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Who asks. Only on the owning CPU.
    pub fn take_asker(&self) -> Option<CpuIndex> {
        let asker = self.asker.swap(NOBODY, Ordering::AcqRel);
        (asker != NOBODY).then(|| CpuIndex::new(asker))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_asks_at_a_time() {
        let requests = Requests::new();
        assert_eq!(requests.take_asker(), None);
        assert!(requests.ask(CpuIndex::BOOT) && !requests.ask(CpuIndex::new(2)) && !requests.ask(CpuIndex::BOOT));
        assert_eq!(requests.take_asker(), Some(CpuIndex::BOOT));
        assert!(requests.take_asker().is_none() && requests.ask(CpuIndex::new(2)));
    }

    #[test]
    fn below_the_floor_nobody_is_interrupted() {
        let requests = Requests::new();
        assert!(requests.is_interrupted_for(0));
        requests.raise_floor(5);
        requests.raise_floor(3);
        assert!(!requests.is_interrupted_for(4) && requests.is_interrupted_for(5));
        requests.lower_floor();
        assert!(requests.is_interrupted_for(0));
    }
}
