//! The right to reply, one shot: it lies in the server, owns the client, and goes to whoever takes it out first.

use alloc::sync::Arc;
use core::ptr;

use crate::atomic::{AtomicPtr, Ordering};

/// The client that a server owes a reply, if any. Taking it is one atomic exchange, so of a server that answers, one that
/// goes, and somebody who ends the wait from outside, exactly one becomes the client's owner.
#[derive(Debug)]
pub struct ReplyRight<T>(AtomicPtr<T>);

impl<T> ReplyRight<T> {
    /// No reply is owed.
    #[must_use]
    pub fn none() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// A reply is owed to `client` from now on, which the caller owned. None is owed yet; only by the server's owner.
    #[inline(always)]
    pub fn give(&self, client: Arc<T>) {
        debug_assert!(self.0.load(Ordering::Relaxed).is_null());
        self.0.store(Arc::into_raw(client).cast_mut(), Ordering::Release);
    }

    /// The client, alive as long as nobody takes it; null for none.
    #[must_use]
    pub fn client(&self) -> *const T {
        self.0.load(Ordering::Acquire)
    }

    /// Takes the client: whoever calls this owns it.
    #[must_use]
    #[inline(always)]
    pub fn take(&self) -> Option<Arc<T>> {
        let client = self.0.swap(ptr::null_mut(), Ordering::AcqRel);
        // SAFETY: the pointer comes from `give`, and the exchange gives it to one taker only.
        (!client.is_null()).then(|| unsafe { Arc::from_raw(client.cast_const()) })
    }

    /// Takes `client` if it is the one.
    #[must_use]
    pub fn take_this(&self, client: &T) -> Option<Arc<T>> {
        let wanted = ptr::from_ref(client).cast_mut();
        self.0.compare_exchange(wanted, ptr::null_mut(), Ordering::AcqRel, Ordering::Relaxed).ok()?;
        // SAFETY: as in `take`.
        Some(unsafe { Arc::from_raw(wanted.cast_const()) })
    }
}

/// Every interleaving of those who may want the client.
#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::cell::UnsafeCell;
    use loom::sync::atomic::AtomicUsize;
    use loom::thread;

    /// A client: its frame belongs to its owner, and loom finds two that touch it without an order between them.
    struct Client {
        frame: UnsafeCell<u64>,
        owners: AtomicUsize,
    }

    // SAFETY: what the test is about: only the owner touches the frame, and loom sees to it.
    unsafe impl Sync for Client {}

    impl Client {
        fn new() -> Arc<Self> {
            Arc::new(Self { frame: UnsafeCell::new(0), owners: AtomicUsize::new(0) })
        }

        /// What a new owner does: it writes the answer into the frame.
        fn answer(&self, value: u64) {
            assert_eq!(self.owners.fetch_add(1, Ordering::Relaxed), 0, "two own the client");
            // SAFETY: the caller owns the client.
            self.frame.with_mut(|frame| unsafe { *frame = value });
        }
    }

    struct Server {
        right: ReplyRight<Client>,
    }

    /// A server that owes the client, whose frame holds its message.
    fn owing(client: &Arc<Client>) -> loom::sync::Arc<Server> {
        // SAFETY: nobody else knows the client yet.
        client.frame.with_mut(|frame| unsafe { *frame = 1 });
        let server = loom::sync::Arc::new(Server { right: ReplyRight::none() });
        server.right.give(Arc::clone(client));
        server
    }

    #[test]
    fn loom_of_a_reply_and_an_end_from_outside_one_gets_the_client() {
        loom::model(|| {
            let client = Client::new();
            let server = owing(&client);
            let (other, of) = (loom::sync::Arc::clone(&server), Arc::clone(&client));
            let canceller = thread::spawn(move || other.right.take_this(&of).map(|client| client.answer(3)).is_some());
            let replied = server.right.take().map(|client| client.answer(2)).is_some();
            let cancelled = canceller.join().unwrap();
            assert!(replied != cancelled, "replied: {replied}, cancelled: {cancelled}");
            assert!(server.right.client().is_null());
            assert_eq!(client.owners.load(Ordering::Relaxed), 1);
        });
    }

    #[test]
    fn loom_of_a_reply_a_server_that_goes_and_an_end_from_outside_one_gets_the_client() {
        loom::model(|| {
            let client = Client::new();
            let server = owing(&client);
            let (first, second) = (loom::sync::Arc::clone(&server), loom::sync::Arc::clone(&server));
            let of = Arc::clone(&client);
            let released = thread::spawn(move || first.right.take().map(|client| client.answer(3)).is_some());
            let cancelled = thread::spawn(move || second.right.take_this(&of).map(|client| client.answer(4)).is_some());
            let replied = server.right.take().map(|client| client.answer(2)).is_some();
            let all = [replied, released.join().unwrap(), cancelled.join().unwrap()];
            assert_eq!(all.iter().filter(|got| **got).count(), 1, "{all:?}");
            assert_eq!(client.owners.load(Ordering::Relaxed), 1);
        });
    }

    /// Whoever wants to end the wait of one client never gets the next one.
    #[test]
    fn loom_an_end_from_outside_takes_no_other_client() {
        loom::model(|| {
            let (client, next) = (Client::new(), Client::new());
            let server = owing(&client);
            let (other, of) = (loom::sync::Arc::clone(&server), Arc::clone(&client));
            let canceller = thread::spawn(move || {
                let taken = other.right.take_this(&of);
                taken.map(|taken| {
                    assert!(Arc::ptr_eq(&taken, &of), "another client was taken");
                    taken.answer(3);
                })
            });
            if let Some(client) = server.right.take() {
                client.answer(2);
            }
            // SAFETY: nobody else knows it yet.
            next.frame.with_mut(|frame| unsafe { *frame = 1 });
            server.right.give(Arc::clone(&next));
            let _cancelled = canceller.join().unwrap();
            let taken = server.right.take().expect("the next client is still owed");
            assert!(Arc::ptr_eq(&taken, &next));
            taken.answer(5);
            assert_eq!((client.owners.load(Ordering::Relaxed), next.owners.load(Ordering::Relaxed)), (1, 1));
        });
    }
}
