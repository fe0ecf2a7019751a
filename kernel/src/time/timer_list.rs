//! What waits for a moment in time on one CPU.

use alloc::sync::Arc;

use super::deadline_tree::{DeadlineTree, Timed};
use super::timer::{Timer, TimerAdapter};
use crate::thread::{Thread, ThreadTimerAdapter};

/// Threads that wait and timers that are set, by the moment at which they are due; equal moments in the order of their
/// numbers.
#[derive(Debug)]
pub struct TimerList {
    threads: DeadlineTree<Thread, ThreadTimerAdapter>,
    timers: DeadlineTree<Timer, TimerAdapter>,
}

// SAFETY: the trees hold `Arc`s; they belong to one CPU at a time.
unsafe impl Send for TimerList {}

/// An entry whose moment has come.
#[derive(Debug)]
pub enum Due {
    /// A thread is to be woken.
    Thread(Arc<Thread>),
    /// A timer is to fire, if it is still set to this moment.
    Timer(Arc<Timer>),
}

impl TimerList {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self { threads: DeadlineTree::default(), timers: DeadlineTree::default() }
    }

    /// Takes a thread in, with its deadline set.
    pub fn insert(&mut self, thread: Arc<Thread>) {
        self.threads.insert(thread);
    }

    /// Takes a timer in, with its entry set.
    pub fn insert_timer(&mut self, timer: Arc<Timer>) {
        self.timers.insert(timer);
    }

    /// The earliest moment; `u64::MAX` when nothing waits.
    #[must_use]
    #[inline(always)]
    pub fn next(&self) -> u64 {
        self.threads.earliest().min(self.timers.earliest())
    }

    /// Drops an entry that is due at `now`, if there is one, and answers whose it was.
    #[inline(always)]
    pub fn pop_due(&mut self, now: u64) -> Option<Due> {
        if self.next() > now {
            return None;
        }
        match self.threads.pop_due(now) {
            Some(thread) => Some(Due::Thread(thread)),
            None => self.timers.pop_due(now).map(Due::Timer),
        }
    }

    /// Takes a thread out before its time.
    pub fn remove(&mut self, thread: &Thread) -> Option<Arc<Thread>> {
        self.threads.remove((thread.deadline(), thread.number()))
    }

    /// Takes a timer out before its time.
    pub fn remove_timer(&mut self, timer: &Timer) -> Option<Arc<Timer>> {
        self.timers.remove(timer.key())
    }

    /// Takes out every thread that the condition holds for.
    pub fn take_matching(&mut self, condition: impl Fn(&Thread) -> bool, each: impl FnMut(Arc<Thread>)) {
        self.threads.take_matching(condition, each);
    }
}

impl Default for TimerList {
    fn default() -> Self {
        Self::new()
    }
}
