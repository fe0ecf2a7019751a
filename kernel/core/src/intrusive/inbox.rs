//! Things on their way to another CPU: many put, the owner takes all.

use alloc::sync::Arc;
use core::marker::PhantomData;
use core::ptr;

use crate::atomic::{AtomicPtr, Ordering};

/// What can be put into an [`Inbox`]; `Link` tells its links apart, if it can be in several.
///
/// # Safety
/// Nothing but inboxes of that `Link` uses the link, and nothing is put into one of those while it is in one.
pub unsafe trait InboxEntry<Link = ()>: Sized {
    /// The next in the inbox.
    fn next_link(&self) -> &AtomicPtr<Self>;
}

/// A lock-free stack, emptied as a whole, so that a node never comes back while somebody pushes.
#[derive(Debug)]
pub struct Inbox<T, Link = ()> {
    newest: AtomicPtr<T>,
    /// What [`Self::take_one`] has taken and not yet answered; only the owner's.
    taken: AtomicPtr<T>,
    link: PhantomData<fn() -> Link>,
}

impl<T: InboxEntry<Link>, Link> Inbox<T, Link> {
    /// An empty inbox.
    #[cfg(not(all(loom, test)))]
    #[must_use]
    pub const fn new() -> Self {
        Self { newest: AtomicPtr::new(ptr::null_mut()), taken: AtomicPtr::new(ptr::null_mut()), link: PhantomData }
    }

    /// An empty inbox. The model's words cannot be made at compile time.
    #[cfg(all(loom, test))]
    #[must_use]
    pub fn new() -> Self {
        Self { newest: AtomicPtr::new(ptr::null_mut()), taken: AtomicPtr::new(ptr::null_mut()), link: PhantomData }
    }

    /// Puts an entry in.
    pub fn put(&self, entry: Arc<T>) {
        let entry = Arc::into_raw(entry).cast_mut();
        let mut newest = self.newest.load(Ordering::Relaxed);
        loop {
            // SAFETY: the pointer owns a reference until the entry is taken out.
            unsafe { (*entry).next_link().store(newest, Ordering::Relaxed) };
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

    /// Takes an entry out, in no particular order; `None` when there was none. Only the owner calls this, and of an inbox
    /// that is emptied in this way nothing else takes.
    pub fn take_one(&self) -> Option<Arc<T>> {
        let mut first = self.taken.load(Ordering::Relaxed);
        if first.is_null() {
            first = self.newest.swap(ptr::null_mut(), Ordering::Acquire);
        }
        if first.is_null() {
            return None;
        }
        // SAFETY: every pointer in the chain comes from `Arc::into_raw` in `put`, and is turned back once: here, where the chain
        // loses it.
        let entry = unsafe { Arc::from_raw(first) };
        self.taken.store(entry.next_link().load(Ordering::Relaxed), Ordering::Relaxed);
        Some(entry)
    }

    /// Takes all entries out, oldest first.
    pub fn take_all(&self, mut each: impl FnMut(Arc<T>)) {
        let mut newest = self.newest.swap(ptr::null_mut(), Ordering::Acquire);
        let mut oldest: *mut T = ptr::null_mut();
        while !newest.is_null() {
            // SAFETY: every pointer in the chain owns a reference.
            let link = unsafe { (*newest).next_link() };
            let next = link.load(Ordering::Relaxed);
            link.store(oldest, Ordering::Relaxed);
            oldest = newest;
            newest = next;
        }
        while !oldest.is_null() {
            // SAFETY: every pointer in the chain comes from `Arc::into_raw` in `put`, and is turned back once: here.
            let entry = unsafe { Arc::from_raw(oldest) };
            oldest = entry.next_link().load(Ordering::Relaxed);
            each(entry);
        }
    }
}

impl<T: InboxEntry<Link>, Link> Default for Inbox<T, Link> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
pub(super) mod tests;
