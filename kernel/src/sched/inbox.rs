//! Things on their way to another CPU: many put, the owner takes all.

use alloc::sync::Arc;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

/// What can be put into an [`Inbox`].
///
/// # Safety
/// Nothing but inboxes uses the link, and nothing is put into an inbox while it is in one.
pub unsafe trait InboxEntry: Sized {
    /// The next in the inbox.
    fn inbox_next(&self) -> &AtomicPtr<Self>;
}

/// A lock-free stack, emptied as a whole, so that a node never comes back while somebody pushes.
#[derive(Debug)]
pub struct Inbox<T> {
    newest: AtomicPtr<T>,
}

impl<T: InboxEntry> Inbox<T> {
    /// An empty inbox.
    #[must_use]
    pub const fn new() -> Self {
        Self { newest: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Puts an entry in.
    pub fn put(&self, entry: Arc<T>) {
        let entry = Arc::into_raw(entry).cast_mut();
        let mut newest = self.newest.load(Ordering::Relaxed);
        loop {
            // SAFETY: the pointer owns a reference until the entry is taken out.
            unsafe { (*entry).inbox_next().store(newest, Ordering::Relaxed) };
            // Release: the taker must see what the putter wrote, such as a thread's saved context.
            match self.newest.compare_exchange_weak(newest, entry, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(seen) => newest = seen,
            }
        }
    }

    /// Whether it is empty; out of date at once.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.newest.load(Ordering::SeqCst).is_null()
    }

    /// Takes all entries out, oldest first.
    pub fn take_all(&self, mut each: impl FnMut(Arc<T>)) {
        let mut newest = self.newest.swap(ptr::null_mut(), Ordering::Acquire);
        let mut oldest: *mut T = ptr::null_mut();
        while !newest.is_null() {
            // SAFETY: every pointer in the chain owns a reference.
            let link = unsafe { (*newest).inbox_next() };
            let next = link.load(Ordering::Relaxed);
            link.store(oldest, Ordering::Relaxed);
            oldest = newest;
            newest = next;
        }
        while !oldest.is_null() {
            // SAFETY: as above; each pointer is turned back once.
            let entry = unsafe { Arc::from_raw(oldest) };
            oldest = entry.inbox_next().load(Ordering::Relaxed);
            each(entry);
        }
    }
}

impl<T: InboxEntry> Default for Inbox<T> {
    fn default() -> Self {
        Self::new()
    }
}
