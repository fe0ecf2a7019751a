//! An endpoint whose lock is held: one word, so that it stays in a register between the functions of the fast path.

use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};

use super::endpoint::Endpoint;
use super::waiter::Queues;
use crate::sync::{BriefGuard, rank, try_lock_briefly};

/// The right to use an endpoint's queues, until it is dropped. As for [`BriefGuard`], its owner calls nothing deep and waits for no lock.
#[derive(Debug)]
pub(super) struct LockedEndpoint<'endpoint> {
    endpoint: &'endpoint Endpoint,
    not_send: PhantomData<*const ()>,
}

impl<'endpoint> LockedEndpoint<'endpoint> {
    /// Takes the lock, if it is free.
    #[inline(always)]
    pub(super) fn try_lock(endpoint: &'endpoint Endpoint) -> Option<Self> {
        let _held = ManuallyDrop::new(try_lock_briefly(&endpoint.queues)?);
        Some(Self { endpoint, not_send: PhantomData })
    }

    /// The endpoint.
    #[inline(always)]
    pub(super) const fn endpoint(&self) -> &'endpoint Endpoint {
        self.endpoint
    }

    #[inline(always)]
    fn guard(&self) -> BriefGuard<'endpoint, Queues, rank::Endpoint> {
        // SAFETY: `try_lock` has taken the lock, and only `drop` gives it back.
        unsafe { BriefGuard::held(&self.endpoint.queues) }
    }
}

impl Deref for LockedEndpoint<'_> {
    type Target = Queues;

    #[inline(always)]
    fn deref(&self) -> &Queues {
        // SAFETY: the lock is held for as long as `self` is there.
        unsafe { &*self.endpoint.queues.data_ptr() }
    }
}

impl DerefMut for LockedEndpoint<'_> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Queues {
        // SAFETY: the lock is held, and `self` is borrowed exclusively.
        unsafe { &mut *self.endpoint.queues.data_ptr() }
    }
}

impl Drop for LockedEndpoint<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        drop(self.guard());
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_lock_is_held_until_it_is_dropped() {
        let endpoint = Endpoint::new();
        let mut locked = LockedEndpoint::try_lock(&endpoint).unwrap();
        assert!(locked.open && LockedEndpoint::try_lock(&endpoint).is_none() && endpoint.queues.try_lock().is_none());
        locked.open = false;
        drop(locked);
        assert!(!endpoint.queues.lock().open);
    }
}
