//! Every interleaving of a sender, a receiver and somebody who ends waits from outside, at one endpoint.
//!
//! The locks are loom's; the order of steps is that of `endpoint::send`, `endpoint::receive`, `cancel::take_out` and
//! `cancel::close`.

use core::ptr;

use core::cell::Cell;

use intrusive_collections::{LinkedListAtomicLink, RBTreeAtomicLink, intrusive_adapter};
use loom::cell::UnsafeCell;
use loom::sync::Mutex;
use loom::sync::atomic::AtomicUsize;
use loom::thread;

use super::*;
use crate::atomic::{AtomicPtr, Ordering};

/// A thread that waits: its frame belongs to its owner, and loom finds two that touch it without an order between them.
struct TestWaiter {
    endpoint: AtomicPtr<TestEndpoint>,
    frame: UnsafeCell<u64>,
    ends: AtomicUsize,
    turn: Cell<Turn>,
    link: LinkedListAtomicLink,
    sender_link: RBTreeAtomicLink,
}

// SAFETY: what the test is about: only the owner touches the frame, and loom sees to it.
unsafe impl Sync for TestWaiter {}

intrusive_adapter!(TestAdapter = Arc<TestWaiter>: TestWaiter { link => LinkedListAtomicLink });
intrusive_adapter!(TestSenders = Arc<TestWaiter>: TestWaiter { sender_link => RBTreeAtomicLink });

impl<'waiter> KeyAdapter<'waiter> for TestSenders {
    type Key = Turn;

    fn get_key(&self, waiter: &'waiter TestWaiter) -> Turn {
        waiter.turn.get()
    }
}

// SAFETY: a waiter with its link in a tree is among senders.
unsafe impl Waiter for TestWaiter {
    type Adapter = TestAdapter;
    type Senders = TestSenders;

    fn priority(&self) -> u8 {
        0
    }

    fn sends_fault(&self) -> bool {
        false
    }

    fn set_turn(&self, turn: Turn) {
        self.turn.set(turn);
    }

    fn is_sender(&self) -> bool {
        self.sender_link.is_linked()
    }

    fn leave(&self) {
        self.endpoint.store(ptr::null_mut(), Ordering::Release);
    }
}

impl TestWaiter {
    fn new() -> Arc<Self> {
        let endpoint = AtomicPtr::new(ptr::null_mut());
        let (frame, ends) = (UnsafeCell::new(0), AtomicUsize::new(0));
        let (turn, link) = (Cell::new(Turn::default()), LinkedListAtomicLink::new());
        Arc::new(Self { endpoint, frame, ends, turn, link, sender_link: RBTreeAtomicLink::new() })
    }

    /// What its owner does when its wait ends.
    fn end(&self) {
        assert_eq!(self.ends.fetch_add(1, Ordering::Relaxed), 0, "a wait ended twice");
        // SAFETY: the caller owns the waiter.
        self.frame.with_mut(|frame| unsafe { *frame += 1 });
    }
}

struct TestEndpoint {
    queues: Mutex<Queues<TestWaiter>>,
    /// Written when the endpoint goes: nobody may look at it without an order before that.
    gone: UnsafeCell<bool>,
}

// SAFETY: what the test is about: nobody looks at `gone` while it is written, and loom sees to it.
unsafe impl Sync for TestEndpoint {}

struct World {
    cancel: Mutex<()>,
    endpoint: TestEndpoint,
    sender: Arc<TestWaiter>,
    receiver: Arc<TestWaiter>,
}

// SAFETY: waiters are handed over under the endpoint's lock; loom checks each use of their frames.
unsafe impl Send for World {}
// SAFETY: as above.
unsafe impl Sync for World {}

impl World {
    fn new() -> loom::sync::Arc<Self> {
        let endpoint = TestEndpoint { queues: Mutex::new(Queues::new()), gone: UnsafeCell::new(false) };
        let (sender, receiver) = (TestWaiter::new(), TestWaiter::new());
        loom::sync::Arc::new(Self { cancel: Mutex::new(()), endpoint, sender, receiver })
    }

    /// The running `waiter` waits: from here on its owner is the queue.
    fn wait(&self, waiter: &Arc<TestWaiter>) -> Arc<TestWaiter> {
        // SAFETY: it runs, here.
        waiter.frame.with_mut(|frame| unsafe { *frame = 100 });
        waiter.endpoint.store(ptr::from_ref(&self.endpoint).cast_mut(), Ordering::Release);
        Arc::clone(waiter)
    }

    /// As `endpoint::send`.
    fn send(&self) {
        let mut queues = self.endpoint.queues.lock().unwrap();
        if let Some(receiver) = queues.take_receiver() {
            drop(queues);
            receiver.end();
            self.sender.end();
        } else if queues.open {
            let sender = self.wait(&self.sender);
            queues.push_sender(sender);
        } else {
            self.sender.end();
        }
    }

    /// As `endpoint::receive`.
    fn receive(&self) {
        let mut queues = self.endpoint.queues.lock().unwrap();
        if let Some(sender) = queues.take_sender() {
            drop(queues);
            sender.end();
            self.receiver.end();
        } else if queues.open {
            let receiver = self.wait(&self.receiver);
            queues.push_receiver(receiver);
        } else {
            self.receiver.end();
        }
    }

    /// As `cancel::take_out`.
    fn take_out(&self, waiter: &TestWaiter) -> bool {
        let _stable = self.cancel.lock().unwrap();
        let endpoint = waiter.endpoint.load(Ordering::Acquire);
        if endpoint.is_null() {
            return false;
        }
        // SAFETY: what the test is about: the lock held here keeps it.
        let endpoint = unsafe { &*endpoint };
        // SAFETY: as above, and loom sees to it.
        endpoint.gone.with(|gone| assert!(!unsafe { *gone }, "the endpoint is gone"));
        let mut queues = endpoint.queues.lock().unwrap();
        if waiter.endpoint.load(Ordering::Acquire).is_null() {
            return false;
        }
        // SAFETY: it knows its endpoint, under the lock held here.
        let removed = unsafe { queues.remove(waiter) };
        drop(queues);
        removed.inspect(|waiter| waiter.end()).is_some()
    }

    /// As `cancel::close`.
    fn close(&self) {
        let mut waiting = Vec::new();
        {
            let _stable = self.cancel.lock().unwrap();
            self.endpoint.queues.lock().unwrap().close(|waiter| waiting.push(waiter));
        }
        waiting.into_iter().for_each(|waiter| waiter.end());
    }

    fn ends(&self) -> (usize, usize) {
        (self.sender.ends.load(Ordering::Relaxed), self.receiver.ends.load(Ordering::Relaxed))
    }
}

#[test]
fn loom_of_a_sender_a_receiver_and_an_end_from_outside_each_wait_ends_once() {
    loom::model(|| {
        let world = World::new();
        let (first, second) = (loom::sync::Arc::clone(&world), loom::sync::Arc::clone(&world));
        let sending = thread::spawn(move || first.send());
        let receiving = thread::spawn(move || second.receive());
        let cancelled = world.take_out(&world.sender);
        sending.join().unwrap();
        receiving.join().unwrap();
        // Without its sender, the receiver still waits; otherwise both have ended, once.
        let waits = world.endpoint.queues.lock().unwrap().take_receiver();
        assert_eq!(waits.is_some(), cancelled);
        waits.into_iter().for_each(|receiver| receiver.end());
        assert_eq!(world.ends(), (1, 1));
    });
}

#[test]
fn loom_of_a_sender_an_end_from_outside_and_a_close_the_wait_ends_once_and_the_endpoint_is_not_used_after() {
    loom::model(|| {
        let world = World::new();
        let (first, second) = (loom::sync::Arc::clone(&world), loom::sync::Arc::clone(&world));
        // It waits already, or will.
        let sending = thread::spawn(move || first.send());
        let cancelling = thread::spawn(move || second.take_out(&second.sender));
        world.close();
        // The sender's own capability keeps the endpoint until its call is over; nobody else's does.
        sending.join().unwrap();
        // SAFETY: closed, and nobody waits there.
        world.endpoint.gone.with_mut(|gone| unsafe { *gone = true });
        let _cancelled = cancelling.join().unwrap();
        assert_eq!(world.ends(), (1, 0));
    });
}
