//! Threads that stand still, in a list.
//!
//! They are linked through the thread itself, so putting one in allocates nothing and cannot fail: what stops or ends
//! threads uses no other list.

use alloc::sync::Arc;
use core::fmt;

use intrusive_collections::LinkedList;

use super::{QueueAdapter, Thread};

/// Threads in the order in which they came. The list owns them: none is on a CPU or in another list.
pub struct ThreadList(LinkedList<QueueAdapter>);

impl ThreadList {
    /// How many there are. Walks the list.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.iter().count()
    }

    /// The thread with this number, if it is in the list. It stays there while the list is borrowed.
    #[must_use]
    pub fn find(&self, number: u64) -> Option<&Thread> {
        self.0.iter().find(|thread| thread.number() == number)
    }

    /// Another owner of the thread that came first.
    #[must_use]
    pub fn first(&self) -> Option<Arc<Thread>> {
        self.0.front().clone_pointer()
    }

    /// Puts a thread in, which the caller owned.
    pub fn put(&mut self, thread: Arc<Thread>) {
        self.0.push_back(thread);
    }

    /// Takes a thread out: the caller owns it then.
    #[must_use]
    pub fn take(&mut self, number: u64) -> Option<Arc<Thread>> {
        let mut cursor = self.0.front_mut();
        while let Some(thread) = cursor.get() {
            if thread.number() == number {
                return cursor.remove();
            }
            cursor.move_next();
        }
        None
    }

    /// Takes the thread out that came first.
    #[must_use]
    pub fn take_first(&mut self) -> Option<Arc<Thread>> {
        self.0.pop_front()
    }
}

impl Default for ThreadList {
    fn default() -> Self {
        Self(LinkedList::new(QueueAdapter::new()))
    }
}

impl fmt::Debug for ThreadList {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ThreadList({})", self.count())
    }
}
