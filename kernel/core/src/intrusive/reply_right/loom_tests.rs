//! Every interleaving of those who may want a client: its server, which replies, forgets it, saves the reply or goes, somebody who
//! ends its wait from outside, and somebody who clears its breakpoint.

use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicUsize;
use loom::sync::{Mutex, MutexGuard};
use loom::thread;

use super::*;

/// A thread. Its frame belongs to its owner, and what it is made of is gone when it is freed: loom finds two that touch
/// either without an order between them.
struct Node {
    right: ReplyRight<Node>,
    server: Link<Node>,
    frame: UnsafeCell<u64>,
    freed: UnsafeCell<bool>,
    owners: AtomicUsize,
}

// SAFETY: what the tests are about: only the owner touches the frame, only a user of a node that is alive looks whether it is
// freed, and loom sees to both.
unsafe impl Sync for Node {}
// SAFETY: as above.
unsafe impl Send for Node {}

// SAFETY: `Machine::free` gives the client up with the lock held.
unsafe impl Linked for Node {}

impl Party for Node {
    fn reply_right(&self) -> &ReplyRight<Self> {
        // SAFETY: what the tests are about.
        self.freed.with(|freed| assert!(!unsafe { *freed }, "a server that is gone"));
        &self.right
    }

    fn server(&self) -> &Link<Self> {
        &self.server
    }
}

impl Node {
    fn new() -> Arc<Self> {
        let (right, server) = (ReplyRight::none(), Link::none());
        let owners = AtomicUsize::new(0);
        Arc::new(Self { right, server, frame: UnsafeCell::new(0), freed: UnsafeCell::new(false), owners })
    }

    /// What a new owner does: it writes the answer into the frame.
    fn answer(&self, value: u64) {
        assert_eq!(self.owners.fetch_add(1, Ordering::Relaxed), 0, "two own the client");
        // SAFETY: the caller owns the client.
        self.frame.with_mut(|frame| unsafe { *frame = value });
        assert!(!self.server.is_set(), "a client that nobody owes anything knows a server");
    }

    /// It waits again: nobody owns it but the server that owes it the reply.
    fn waits_again(&self) {
        self.owners.store(0, Ordering::Relaxed);
    }
}

/// The lock of `cancel`.
struct Held<'machine>(#[expect(dead_code, reason = "held, not read")] MutexGuard<'machine, ()>);

// SAFETY: `Machine::free` takes the lock.
unsafe impl Stable for Held<'_> {}

/// A server and its client, which it owes a reply.
struct Machine {
    lock: Mutex<()>,
    server: Arc<Node>,
    client: Arc<Node>,
}

impl Machine {
    fn owing(owed: Owed) -> loom::sync::Arc<Self> {
        let machine = Self { lock: Mutex::new(()), server: Node::new(), client: Node::new() };
        // SAFETY: nobody else knows the client yet.
        machine.client.frame.with_mut(|frame| unsafe { *frame = 1 });
        owe(&*machine.server, Arc::clone(&machine.client), owed);
        loom::sync::Arc::new(machine)
    }

    /// The server replies, or receives again, which gives the client up as well.
    fn reply(&self, value: u64) -> bool {
        self.server.right.take().map(|client| client.answer(value)).is_some()
    }

    /// Somebody ends the client's wait.
    fn cancel(&self, value: u64) -> bool {
        let held = Held(self.lock.lock().unwrap());
        let taken = take_client(&*self.client, &held);
        drop(held);
        taken.map(|client| client.answer(value)).is_some()
    }

    /// Somebody clears the client's breakpoint.
    fn clear_breakpoint(&self, value: u64) -> bool {
        let held = Held(self.lock.lock().unwrap());
        let taken = take_client_at_breakpoint(&*self.client, &held);
        drop(held);
        taken.map(|client| client.answer(value)).is_some()
    }

    /// The server is freed: whoever it owes a reply waits no longer.
    fn free(&self, value: u64) -> bool {
        let taken = {
            let _held = Held(self.lock.lock().unwrap());
            self.server.right.take()
        };
        // SAFETY: what the tests are about: nobody uses the server any more.
        self.server.freed.with_mut(|freed| unsafe { *freed = true });
        taken.map(|client| client.answer(value)).is_some()
    }
}

fn one_of(all: &[bool]) {
    assert_eq!(all.iter().filter(|got| **got).count(), 1, "{all:?}");
}

#[test]
fn loom_of_a_reply_and_an_end_from_outside_one_gets_the_client() {
    for owed in [Owed::Answer, Owed::Breakpoint] {
        loom::model(move || {
            let machine = Machine::owing(owed);
            let other = loom::sync::Arc::clone(&machine);
            let canceller = thread::spawn(move || other.cancel(3));
            let replied = machine.reply(2);
            one_of(&[replied, canceller.join().unwrap()]);
            assert!(machine.server.right.client().is_null());
        });
    }
}

#[test]
fn loom_of_a_reply_an_end_from_outside_and_a_breakpoint_cleared_one_gets_the_client() {
    loom::model(|| {
        let machine = Machine::owing(Owed::Breakpoint);
        let (first, second) = (loom::sync::Arc::clone(&machine), loom::sync::Arc::clone(&machine));
        let cleared = thread::spawn(move || first.clear_breakpoint(3));
        let cancelled = thread::spawn(move || second.cancel(4));
        let replied = machine.reply(2);
        one_of(&[replied, cleared.join().unwrap(), cancelled.join().unwrap()]);
    });
}

/// The server replies, or forgets the client, and is freed; meanwhile the client's wait is ended: nobody follows a link to a
/// server that is gone.
#[test]
fn loom_a_server_that_forgot_its_client_and_went_is_not_looked_at() {
    loom::model(|| {
        let machine = Machine::owing(Owed::Answer);
        let other = loom::sync::Arc::clone(&machine);
        let canceller = thread::spawn(move || [other.cancel(3), other.cancel(4)]);
        let (replied, freed) = (machine.reply(2), machine.free(5));
        let [first, second] = canceller.join().unwrap();
        one_of(&[replied, freed, first, second]);
    });
}

#[test]
fn loom_of_a_server_that_goes_and_an_end_from_outside_one_gets_the_client() {
    loom::model(|| {
        let machine = Machine::owing(Owed::Answer);
        let other = loom::sync::Arc::clone(&machine);
        let canceller = thread::spawn(move || [other.cancel(3), other.cancel(4)]);
        let freed = machine.free(5);
        let [first, second] = canceller.join().unwrap();
        one_of(&[freed, first, second]);
    });
}

/// A breakpoint is answered, and the same thread calls the same server: whoever clears breakpoints does not take the call, and
/// the server's second reply finds its client.
#[test]
fn loom_a_breakpoint_that_is_cleared_late_takes_no_call() {
    loom::model(|| {
        let machine = Machine::owing(Owed::Breakpoint);
        let other = loom::sync::Arc::clone(&machine);
        let clearer = thread::spawn(move || other.clear_breakpoint(3));
        let replied = machine.reply(2);
        if replied {
            machine.client.waits_again();
            owe(&*machine.server, Arc::clone(&machine.client), Owed::Answer);
        }
        let cleared = clearer.join().unwrap();
        one_of(&[replied, cleared]);
        assert_eq!(machine.reply(6), replied, "the reply to the call is the server's");
    });
}

/// Whoever ends the wait of one client never gets the next one.
#[test]
fn loom_an_end_from_outside_takes_no_other_client() {
    loom::model(|| {
        let machine = Machine::owing(Owed::Answer);
        let next = Node::new();
        let other = loom::sync::Arc::clone(&machine);
        let canceller = thread::spawn(move || other.cancel(3));
        let replied = machine.reply(2);
        let cancelled = if replied {
            owe(&*machine.server, Arc::clone(&next), Owed::Answer);
            canceller.join().unwrap()
        } else {
            let cancelled = canceller.join().unwrap();
            owe(&*machine.server, Arc::clone(&next), Owed::Answer);
            cancelled
        };
        one_of(&[replied, cancelled]);
        let taken = machine.server.right.take().expect("the next client is still owed");
        assert!(Arc::ptr_eq(&taken, &next));
        taken.answer(5);
    });
}
