//! Threads on their way to another CPU: many put, the owner takes all.

use alloc::sync::Arc;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::thread::Thread;

/// A lock-free stack, emptied as a whole, so that a node never comes back while somebody pushes.
#[derive(Debug)]
pub struct Inbox {
    newest: AtomicPtr<Thread>,
}

impl Inbox {
    /// An empty inbox.
    #[must_use]
    pub const fn new() -> Self {
        Self { newest: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Puts a thread in.
    pub fn put(&self, thread: Arc<Thread>) {
        let thread = Arc::into_raw(thread).cast_mut();
        let mut newest = self.newest.load(Ordering::Relaxed);
        loop {
            // SAFETY: the pointer owns a reference until the thread is taken out.
            unsafe { (*thread).inbox_next.store(newest, Ordering::Relaxed) };
            // Release: the taker must see the thread's saved context.
            match self.newest.compare_exchange_weak(newest, thread, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(seen) => newest = seen,
            }
        }
    }

    /// Takes all threads out, oldest first.
    pub fn take_all(&self, mut each: impl FnMut(Arc<Thread>)) {
        let mut newest = self.newest.swap(ptr::null_mut(), Ordering::Acquire);
        let mut oldest: *mut Thread = ptr::null_mut();
        while !newest.is_null() {
            // SAFETY: every pointer in the chain owns a reference.
            let link = unsafe { &(*newest).inbox_next };
            let next = link.load(Ordering::Relaxed);
            link.store(oldest, Ordering::Relaxed);
            oldest = newest;
            newest = next;
        }
        while !oldest.is_null() {
            // SAFETY: as above; each pointer is turned back once.
            let thread = unsafe { Arc::from_raw(oldest) };
            oldest = thread.inbox_next.load(Ordering::Relaxed);
            each(thread);
        }
    }
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}
