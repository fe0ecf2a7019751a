//! What waits for a moment in time on one CPU.

use alloc::sync::Arc;

use intrusive_collections::{Bound, RBTree};

use crate::thread::{Thread, TimerAdapter};

/// Threads by the moment at which they are to be woken; equal moments in the order of the threads' numbers.
#[derive(Debug)]
pub struct TimerList(RBTree<TimerAdapter>);

// SAFETY: the tree holds `Arc`s; it belongs to one CPU at a time.
unsafe impl Send for TimerList {}

impl TimerList {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self(RBTree::new(TimerAdapter::new()))
    }

    /// Takes a thread in, with its deadline set.
    pub fn insert(&mut self, thread: Arc<Thread>) {
        self.0.insert(thread);
    }

    /// The earliest moment; `u64::MAX` when nothing waits.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.0.front().get().map_or(u64::MAX, Thread::deadline)
    }

    /// Drops the entry that is due at `now`, if any, and answers whose it was.
    pub fn pop_due(&mut self, now: u64) -> Option<Arc<Thread>> {
        if self.next() > now {
            return None;
        }
        self.0.front_mut().remove()
    }

    /// Takes a thread out before its time.
    pub fn remove(&mut self, thread: &Thread) -> Option<Arc<Thread>> {
        let key = (thread.deadline(), thread.number());
        self.0.lower_bound_mut(Bound::Included(&key)).remove().inspect(|found| {
            debug_assert_eq!(found.number(), thread.number());
        })
    }

    /// Takes out every thread that the condition holds for.
    pub fn take_matching(&mut self, condition: impl Fn(&Thread) -> bool, mut each: impl FnMut(Arc<Thread>)) {
        let mut cursor = self.0.front_mut();
        while let Some(thread) = cursor.get() {
            if condition(thread) {
                cursor.remove().into_iter().for_each(&mut each);
            } else {
                cursor.move_next();
            }
        }
    }
}

impl Default for TimerList {
    fn default() -> Self {
        Self::new()
    }
}
