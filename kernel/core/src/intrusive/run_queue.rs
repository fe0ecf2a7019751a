//! What is ready on one CPU: first come, first served within a priority, the highest priority first.

use alloc::sync::Arc;
use core::cell::{Cell, RefCell};

use intrusive_collections::linked_list::LinkedListOps;
use intrusive_collections::{Adapter, DefaultPointerOps, LinkedList};
use percpu::CpuIndex;

use crate::sched::PRIORITIES;

/// What can be ready: a thread; in tests, something that needs no machine.
///
/// # Safety
/// [`Self::queued`] answers what [`Self::set_queued`] was called with last, or 0 before, and run queues alone call that. The
/// priority does not change while this is not 0, and the link of the adapter is used by nothing else then.
pub unsafe trait Runnable: Sized {
    /// Leads from it to its link.
    type Adapter: Adapter<LinkOps: LinkedListOps, PointerOps = DefaultPointerOps<Arc<Self>>>;

    /// It.
    const ADAPTER: Self::Adapter;

    /// How urgent it is, below [`PRIORITIES`].
    fn priority(&self) -> u8;

    /// The tag of the run queue that it is in, 0 for none.
    fn queued(&self) -> u32;

    /// Sets the tag.
    fn set_queued(&self, tag: u32);
}

/// Ready threads by priority.
pub struct RunQueue<T: Runnable> {
    queues: RefCell<[LinkedList<T::Adapter>; PRIORITIES]>,
    /// Bit `p` is set if `queues[p]` holds a thread.
    occupied: Cell<u64>,
    /// The highest bit of `occupied`, 0 if there is none: one load tells whether anybody has to go first.
    highest: Cell<u8>,
    /// What the threads in it are marked with: not 0, and no other queue's.
    tag: u32,
}

// SAFETY: the lists hold `Arc`s; the queue belongs to one CPU at a time.
unsafe impl<T: Runnable + Send + Sync> Send for RunQueue<T> {}

impl<T: Runnable> core::fmt::Debug for RunQueue<T> {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(out, "RunQueue(occupied priorities {:#x})", self.occupied.get())
    }
}

impl<T: Runnable> RunQueue<T> {
    /// An empty queue, for this CPU, which is not the last that a word has room for.
    #[must_use]
    pub const fn new(cpu: CpuIndex) -> Self {
        let queues = [const { LinkedList::new(T::ADAPTER) }; PRIORITIES];
        Self {
            queues: RefCell::new(queues),
            occupied: Cell::new(0),
            highest: Cell::new(0),
            tag: cpu.get().wrapping_add(1),
        }
    }

    /// Puts a thread behind all others of its priority.
    #[inline(always)]
    pub fn push(&self, thread: Arc<T>) {
        let priority = thread.priority();
        self.occupied.set(self.occupied.get() | 1 << priority);
        self.highest.set(self.highest.get().max(priority));
        thread.set_queued(self.tag);
        self.queues.borrow_mut()[usize::from(priority) % PRIORITIES].push_back(thread);
    }

    /// Takes the thread that is to run.
    pub fn pop(&self) -> Option<Arc<T>> {
        if self.is_empty() {
            return None;
        }
        let priority = self.highest.get();
        let mut queues = self.queues.borrow_mut();
        let queue = &mut queues[usize::from(priority) % PRIORITIES];
        let thread = queue.pop_front();
        if queue.is_empty() {
            self.set_occupied(self.occupied.get() & !(1 << priority));
        }
        if let Some(thread) = &thread {
            thread.set_queued(0);
        }
        thread
    }

    /// Whether a thread is in this queue.
    #[must_use]
    pub fn has(&self, thread: &T) -> bool {
        thread.queued() == self.tag
    }

    /// Takes a thread out by its own link, wherever it stands; `None` if it is not in this queue.
    pub fn remove(&self, thread: &T) -> Option<Arc<T>> {
        if !self.has(thread) {
            return None;
        }
        let priority = thread.priority();
        let mut queues = self.queues.borrow_mut();
        let queue = &mut queues[usize::from(priority) % PRIORITIES];
        // SAFETY: the thread has this queue's tag, which it gets in `push`, and loses in each function that takes it out; all run on
        // the CPU of this queue. It is in the list of its priority, which does not change while it is in a queue.
        let taken = unsafe { queue.cursor_mut_from_ptr(thread) }.remove();
        if queue.is_empty() {
            self.set_occupied(self.occupied.get() & !(1 << priority));
        }
        thread.set_queued(0);
        taken
    }

    /// Whether the queue is being changed by code that is in the middle of it.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.queues.try_borrow_mut().is_err()
    }

    fn set_occupied(&self, occupied: u64) {
        self.occupied.set(occupied);
        self.highest.set(occupied.checked_ilog2().unwrap_or(0) as u8);
    }

    /// Whether nobody is ready.
    #[must_use]
    #[inline(always)]
    pub const fn is_empty(&self) -> bool {
        self.occupied.get() == 0
    }

    /// Whether no ready thread has this priority or a higher one.
    #[must_use]
    #[inline(always)]
    pub const fn nobody_from(&self, priority: u8) -> bool {
        self.is_empty() || self.highest.get() < priority
    }

    /// Whether no ready thread has a higher priority than this one.
    #[must_use]
    #[inline(always)]
    pub const fn nobody_above(&self, priority: u8) -> bool {
        self.highest.get() <= priority
    }

    /// Whether the condition holds for one of the first threads, so many at most, those of the highest priority first.
    pub fn has_one(&self, most: usize, mut condition: impl FnMut(&T) -> bool) -> bool {
        self.queues.borrow().iter().rev().flatten().take(most).any(&mut condition)
    }

    /// Takes out the first thread that the condition holds for, of so many at most, those of the highest priority first.
    pub fn take_one(&self, most: usize, mut condition: impl FnMut(&T) -> bool) -> Option<Arc<T>> {
        let mut left = most;
        for (priority, queue) in self.queues.borrow_mut().iter_mut().enumerate().rev() {
            let mut cursor = queue.front_mut();
            while let Some(thread) = cursor.get() {
                left = left.checked_sub(1)?;
                if !condition(thread) {
                    cursor.move_next();
                    continue;
                }
                thread.set_queued(0);
                let taken = cursor.remove();
                if queue.is_empty() {
                    self.set_occupied(self.occupied.get() & !(1 << priority));
                }
                return taken;
            }
        }
        None
    }

    /// Takes out every thread that the condition holds for.
    pub fn take_matching(&self, condition: impl Fn(&T) -> bool, mut each: impl FnMut(Arc<T>)) {
        for (priority, queue) in self.queues.borrow_mut().iter_mut().enumerate() {
            let mut cursor = queue.front_mut();
            while let Some(thread) = cursor.get() {
                if condition(thread) {
                    thread.set_queued(0);
                    cursor.remove().into_iter().for_each(&mut each);
                } else {
                    cursor.move_next();
                }
            }
            if queue.is_empty() {
                self.set_occupied(self.occupied.get() & !(1 << priority));
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
