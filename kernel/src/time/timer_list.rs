//! What waits for a moment in time on one CPU.

use core::cell::{Cell, RefCell};

use alloc::sync::Arc;

use gatehouse_core::sched::PRIORITIES;
use gatehouse_core::time::{DeadlineTree, Lanes, Timed};

use super::timer::{Timer, TimerAdapter};
use crate::thread::{Thread, ThreadTimerAdapter};

/// Threads that wait, and timers that are set by the priority of whoever set them, by the moment at which they are due; equal moments
/// in the order of their numbers. It belongs to one CPU.
#[derive(Debug)]
pub struct TimerList {
    /// When the timer interrupt has to look, where it finds that by one load.
    next: Cell<u64>,
    threads: RefCell<DeadlineTree<Thread, ThreadTimerAdapter>>,
    timers: RefCell<Lanes<Timer, TimerAdapter>>,
}

// SAFETY: the trees hold `Arc`s; the list belongs to one CPU at a time.
unsafe impl Send for TimerList {}

/// An entry whose moment has come.
#[derive(Debug)]
pub enum Due {
    /// A thread is to be woken.
    Thread(Arc<Thread>),
    /// A timer of this priority is to fire, if it is still set to this moment.
    Timer(u8, Arc<Timer>),
}

impl TimerList {
    /// An empty list.
    #[must_use]
    pub const fn new() -> Self {
        let lanes = [const { DeadlineTree::new(TimerAdapter::NEW) }; PRIORITIES];
        Self {
            next: Cell::new(u64::MAX),
            threads: RefCell::new(DeadlineTree::new(ThreadTimerAdapter::NEW)),
            timers: RefCell::new(Lanes::new(lanes)),
        }
    }

    /// When somebody has to look: the earliest moment of what is not held back, or the end of that; `u64::MAX` when nothing waits.
    #[must_use]
    #[inline(always)]
    pub const fn next(&self) -> u64 {
        self.next.get()
    }

    /// Whether the list is being changed by code that is in the middle of it.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.threads.try_borrow_mut().is_err() || self.timers.try_borrow_mut().is_err()
    }

    /// Takes a thread in, with its deadline set.
    pub fn insert(&self, thread: Arc<Thread>) {
        self.next.set(self.next.get().min(thread.key().0));
        self.threads.borrow_mut().insert(thread);
    }

    /// Takes a timer in, with its entry set.
    pub fn insert_timer(&self, timer: Arc<Timer>) {
        self.timers.borrow_mut().insert(timer.lane(), timer);
        self.find_next();
    }

    /// Drops an entry that is due at `now`, if there is one, and answers whose it was: threads first, then timers of the highest
    /// priority, and none of those below `floor`.
    pub fn pop_due(&self, now: u64, floor: u8) -> Option<Due> {
        let thread = self.threads.borrow_mut().pop_due(now).map(Due::Thread);
        let timer = |(priority, timer)| Due::Timer(priority, timer);
        let due = thread.or_else(|| self.timers.borrow_mut().pop_due(now, floor).map(timer));
        self.find_next();
        due
    }

    /// Holds timers of priorities below `floor` back until a moment, or, if some are held back already, until that is over.
    pub fn hold(&self, floor: u8, until: u64) {
        self.timers.borrow_mut().hold(floor, until);
        self.find_next();
    }

    /// Until when timers are held back; `u64::MAX` when none are.
    #[must_use]
    pub fn held_until(&self) -> u64 {
        self.timers.borrow().held_until()
    }

    /// Holds nothing back any more.
    pub fn release(&self) {
        self.timers.borrow_mut().release();
        self.find_next();
    }

    /// Takes a thread out before its time.
    pub fn remove(&self, thread: &Thread) -> Option<Arc<Thread>> {
        let removed = self.threads.borrow_mut().remove(thread.key());
        self.find_next();
        removed
    }

    /// Takes a timer out before its time.
    pub fn remove_timer(&self, timer: &Timer) -> Option<Arc<Timer>> {
        let removed = self.timers.borrow_mut().remove(timer.lane(), timer.key());
        self.find_next();
        removed
    }

    /// Takes out every thread that the condition holds for.
    pub fn take_matching(&self, condition: impl Fn(&Thread) -> bool, each: impl FnMut(Arc<Thread>)) {
        self.threads.borrow_mut().take_matching(condition, each);
        self.find_next();
    }

    fn find_next(&self) {
        self.next.set(self.threads.borrow().earliest().min(self.timers.borrow().next()));
    }
}

impl Default for TimerList {
    fn default() -> Self {
        Self::new()
    }
}
