//! Pointers from waiting threads to what they wait for, which nobody counts.
//!
//! A thread that waits knows where: the endpoint, the notification, the saved reply, or the server that owes it a reply. It
//! does not keep that alive, since the fast paths would have to count. Instead whatever a link can lead to is freed only
//! after it has given up, under one lock, all who have a link to it; and a link can be followed only by whoever holds that
//! lock, which [`Stable`] is the proof of.

use core::fmt;
use core::ptr;

use crate::atomic::{AtomicPtr, Ordering};

/// Proof that nothing that a [`Link`] leads to is freed while this value exists.
///
/// # Safety
/// Whoever implements it sees to that: everything that implements [`Linked`] takes the same lock before it is freed.
pub unsafe trait Stable {}

/// What a link can lead to.
///
/// # Safety
/// Before a value is freed, all links to it are cleared under the lock that the [`Stable`] of this kernel stands for; and
/// none is set any more.
pub unsafe trait Linked {}

/// A pointer to what a thread waits for; none while it does not.
pub struct Link<T>(AtomicPtr<T>);

impl<T> Link<T> {
    /// To nothing.
    #[must_use]
    pub fn none() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Whether it leads anywhere; out of date at once, unless the caller owns the thread.
    #[must_use]
    pub fn is_set(&self) -> bool {
        !self.0.load(Ordering::Acquire).is_null()
    }

    /// It leads nowhere any more. Only by the thread's owner, or under the lock of what it leads to.
    #[inline(always)]
    pub fn clear(&self) {
        self.0.store(ptr::null_mut(), Ordering::Release);
    }
}

impl<T> Link<T> {
    /// Whether it leads there. Under the lock of what it leads to this stays so.
    #[must_use]
    pub fn leads_to(&self, target: &T) -> bool {
        ptr::eq(self.0.load(Ordering::Acquire), target)
    }
}

impl<T: Linked> Link<T> {
    /// It leads to `target` from now on. Only by the thread's owner.
    #[inline(always)]
    pub fn set(&self, target: &T) {
        self.0.store(ptr::from_ref(target).cast_mut(), Ordering::Release);
    }

    /// What it leads to.
    #[inline]
    pub fn follow<'stable>(&self, _stable: &'stable impl Stable) -> Option<&'stable T> {
        // SAFETY: what a link was set to clears it before it is freed, and is not freed while `_stable` exists.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }
    }
}

impl<T> fmt::Debug for Link<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.is_set() { "Link(set)" } else { "Link(none)" })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    struct Place(u64);

    // SAFETY: the tests' places live until their end.
    unsafe impl Linked for Place {}

    struct Held;

    // SAFETY: as above: nothing is freed.
    unsafe impl Stable for Held {}

    #[test]
    fn it_leads_where_it_was_set_to_until_it_is_cleared() {
        let (one, other) = (Place(1), Place(2));
        let link = Link::none();
        assert!(!link.is_set() && !link.leads_to(&one) && link.follow(&Held).is_none());
        link.set(&one);
        assert!(link.is_set() && link.leads_to(&one) && !link.leads_to(&other));
        assert_eq!(link.follow(&Held).map(|place| place.0), Some(1));
        link.set(&other);
        assert_eq!(link.follow(&Held).map(|place| place.0), Some(2));
        assert_eq!(std::format!("{link:?}"), "Link(set)");
        link.clear();
        assert!(!link.is_set() && !link.leads_to(&other) && link.follow(&Held).is_none());
        assert_eq!(std::format!("{link:?}"), "Link(none)");
    }
}
