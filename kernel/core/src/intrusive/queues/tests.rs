//! The queues against a naive model of them: every state that few waiters can bring about, and long random ways.

use std::cell::Cell;
use std::collections::{HashSet, VecDeque};

use intrusive_collections::{LinkedListAtomicLink, RBTreeAtomicLink, intrusive_adapter};
use proptest::prelude::*;

use super::*;

struct TestWaiter {
    priority: Cell<u8>,
    fault: Cell<bool>,
    queued: Cell<bool>,
    turn: Cell<Turn>,
    link: LinkedListAtomicLink,
    sender_link: RBTreeAtomicLink,
}

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
        self.priority.get()
    }

    fn sends_fault(&self) -> bool {
        self.fault.get()
    }

    fn set_turn(&self, turn: Turn) {
        self.turn.set(turn);
    }

    fn is_sender(&self) -> bool {
        self.sender_link.is_linked()
    }

    fn leave(&self) {
        assert!(self.queued.replace(false), "taken out twice");
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    PushSender {
        who: usize,
        priority: u8,
        fault: bool,
    },
    PushReceiver(usize),
    TakeSender,
    TakeReceiver,
    Remove(usize),
    RemoveFault(usize),
    Close,
    /// As in `send` and `fault`: takes a receiver, or waits where one may.
    Send {
        who: usize,
        priority: u8,
        fault: bool,
    },
    /// As in `receive`: takes a sender, or waits where one may.
    Receive(usize),
    /// As in `fast_path`: only the one word is looked at.
    FastSend,
    FastReceive(usize),
}

/// What `Queues` must do, in the plainest way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Model {
    /// Number, priority, and whether it is a fault; in the order of arrival.
    senders: Vec<(usize, u8, bool)>,
    receivers: Vec<usize>,
    closed: bool,
}

impl Model {
    fn first_sender(&self) -> Option<usize> {
        let highest = self.senders.iter().map(|sender| sender.1).max()?;
        self.senders.iter().find(|sender| sender.1 == highest).map(|sender| sender.0)
    }

    fn waits(&self, who: usize) -> bool {
        self.senders.iter().any(|sender| sender.0 == who) || self.receivers.contains(&who)
    }

    fn remove(&mut self, who: usize) {
        self.senders.retain(|sender| sender.0 != who);
        self.receivers.retain(|other| *other != who);
    }

    /// All senders, as they would be taken.
    fn order(&self) -> Vec<usize> {
        let mut sorted = self.senders.clone();
        sorted.sort_by_key(|sender| core::cmp::Reverse(sender.1));
        sorted.iter().map(|sender| sender.0).collect()
    }
}

/// What the sole word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Word {
    Nobody,
    Sole(usize),
    Others,
}

struct Machine {
    waiters: Vec<Arc<TestWaiter>>,
    queues: Queues<TestWaiter>,
    model: Model,
}

impl Machine {
    #[expect(clippy::arc_with_non_send_sync, reason = "the queues hold `Arc`s; each test has one thread")]
    fn new(waiters: usize) -> Self {
        let waiter = |_| {
            let (priority, fault, queued) = (Cell::new(0), Cell::new(false), Cell::new(false));
            let (turn, link) = (Cell::new(Turn::default()), LinkedListAtomicLink::new());
            Arc::new(TestWaiter { priority, fault, queued, turn, link, sender_link: RBTreeAtomicLink::new() })
        };
        Self { waiters: (0..waiters).map(waiter).collect(), queues: Queues::new(), model: Model::default() }
    }

    fn number(&self, waiter: &TestWaiter) -> usize {
        self.waiters.iter().position(|other| core::ptr::eq(&raw const **other, waiter)).expect("one of ours")
    }

    fn numbers<'list>(&self, list: impl Iterator<Item = &'list TestWaiter>) -> Vec<usize> {
        list.map(|waiter| self.number(waiter)).collect()
    }

    fn word(&self) -> Word {
        match self.queues.sole.get() {
            Some(waiter) => Word::Sole(self.number(waiter)),
            None if self.queues.sole.is_nobody() => Word::Nobody,
            None => Word::Others,
        }
    }

    /// Compares who was taken with who had to be.
    fn expect(&mut self, taken: Option<Arc<TestWaiter>>, expected: Option<usize>) {
        assert_eq!(taken.map(|taken| self.number(&taken)), expected);
        expected.into_iter().for_each(|who| self.model.remove(who));
    }

    fn push_sender(&mut self, who: usize, priority: u8, fault: bool) {
        let waiter = &self.waiters[who];
        waiter.priority.set(priority);
        waiter.fault.set(fault);
        assert!(!waiter.queued.replace(true));
        self.queues.push_sender(Arc::clone(waiter));
        self.model.senders.push((who, priority, fault));
    }

    /// Gives out `who` as the receiver that is to wait.
    fn new_receiver(&mut self, who: usize) -> Arc<TestWaiter> {
        assert!(!self.waiters[who].queued.replace(true));
        self.model.receivers.push(who);
        Arc::clone(&self.waiters[who])
    }

    /// Makes the step if its waiter is free for it; compares what comes of it, and then everything.
    fn step(&mut self, step: Step) {
        match step {
            Step::PushSender { who, .. } | Step::PushReceiver(who) | Step::Send { who, .. } | Step::Receive(who)
                if self.model.waits(who) => {}
            Step::PushSender { who, priority, fault } => self.push_sender(who, priority, fault),
            Step::PushReceiver(who) => {
                let waiter = self.new_receiver(who);
                self.queues.push_receiver(waiter);
            }
            Step::TakeSender => {
                let (taken, expected) = (self.queues.take_sender(), self.model.first_sender());
                self.expect(taken, expected);
            }
            Step::TakeReceiver => {
                let (taken, expected) = (self.queues.take_receiver(), self.model.receivers.first().copied());
                self.expect(taken, expected);
            }
            Step::Remove(who) => {
                let waiter = &self.waiters[who];
                // SAFETY: there is one endpoint, where it waits.
                let taken = waiter.queued.get().then(|| unsafe { self.queues.remove(waiter) }).flatten();
                self.expect(taken, self.model.waits(who).then_some(who));
            }
            Step::RemoveFault(who) => {
                let waiter = &self.waiters[who];
                // SAFETY: there is one endpoint, where it waits.
                let taken = waiter.queued.get().then(|| unsafe { self.queues.remove_fault(waiter) }).flatten();
                let is_fault = self.model.senders.iter().any(|sender| sender.0 == who && sender.2);
                self.expect(taken, is_fault.then_some(who));
            }
            Step::Close => {
                let mut all = Vec::new();
                self.queues.close(|waiter| all.push(waiter));
                let all: Vec<usize> = all.iter().map(|waiter| self.number(waiter)).collect();
                let expected = [self.model.order(), self.model.receivers.clone()].concat();
                assert_eq!(all, expected);
                self.model = Model { closed: true, ..Model::default() };
            }
            Step::Send { who, priority, fault } => {
                let (taken, expected) = (self.queues.take_receiver(), self.model.receivers.first().copied());
                self.expect(taken, expected);
                if expected.is_none() && self.queues.open {
                    self.push_sender(who, priority, fault);
                }
            }
            Step::Receive(who) => {
                let (taken, expected) = (self.queues.take_sender(), self.model.first_sender());
                self.expect(taken, expected);
                if expected.is_none() && self.queues.open {
                    let waiter = self.new_receiver(who);
                    self.queues.push_receiver(waiter);
                }
            }
            Step::FastSend => {
                let taken = self.queues.sole.take().inspect(|receiver| receiver.leave());
                let alone = if let [alone] = *self.model.receivers { Some(alone) } else { None };
                // One that others have waited with may still be in the list: then this takes the slow path.
                if taken.is_some() {
                    self.expect(taken, alone);
                }
            }
            Step::FastReceive(who) => {
                // A closed endpoint has no capability to receive by.
                if self.queues.sole.is_nobody() && self.queues.open && !self.model.waits(who) {
                    assert!(self.model.first_sender().is_none(), "a sender is passed over");
                    let waiter = self.new_receiver(who);
                    self.queues.sole.set(waiter);
                }
            }
        }
        self.check();
    }

    fn check(&self) {
        let (senders, listed) = (self.numbers(self.queues.senders.iter()), self.numbers(self.queues.receivers.iter()));
        let word = self.word();
        let sole = if let Word::Sole(who) = word { Some(who) } else { None };
        let receivers: Vec<usize> = sole.into_iter().chain(listed.iter().copied()).collect();
        assert_eq!((&senders, &receivers), (&self.model.order(), &self.model.receivers));
        assert_eq!(self.queues.open, !self.model.closed);
        assert!(sole.is_none() || listed.is_empty(), "the sole receiver is not alone");
        let nobody = senders.is_empty() && receivers.is_empty();
        assert_eq!(word == Word::Nobody, nobody, "the word disagrees with the lists");
        for (who, waiter) in self.waiters.iter().enumerate() {
            let waits = self.model.waits(who);
            assert_eq!(waiter.queued.get(), waits, "{who} has not been told");
            assert_eq!(Arc::strong_count(waiter), 1 + usize::from(waits), "{who} has too many owners, or too few");
        }
    }
}

/// Goes every step from every state, until there is no new state. A state is all that the queues hold, so this is every
/// sequence of steps of any length. Answers how many states there are.
fn explore(waiters: usize, steps: &[Step], invariant: impl Fn(&Machine)) -> usize {
    let mut seen = HashSet::new();
    let mut ways = VecDeque::from([Vec::new()]);
    while let Some(way) = ways.pop_front() {
        for step in steps {
            let mut machine = Machine::new(waiters);
            way.iter().chain([step]).for_each(|step| machine.step(*step));
            invariant(&machine);
            if seen.insert((machine.model.clone(), machine.word())) {
                ways.push_back(way.iter().chain([step]).copied().collect());
            }
            let Machine { waiters, queues, .. } = machine;
            drop(queues);
            assert!(waiters.iter().all(|waiter| Arc::strong_count(waiter) == 1), "the queues keep somebody");
        }
    }
    seen.len()
}

const WAITERS: usize = 3;

#[test]
fn every_state_of_three_waiters_is_that_of_the_model() {
    let mut steps = vec![Step::TakeSender, Step::TakeReceiver, Step::Close];
    for who in 0..WAITERS {
        steps.extend([Step::PushReceiver(who), Step::Remove(who), Step::RemoveFault(who)]);
        for (priority, fault) in [(0, false), (1, true), (2, false)] {
            steps.push(Step::PushSender { who, priority, fault });
        }
    }
    let states = explore(WAITERS, &steps, |_| ());
    assert!(states > 500, "{states} states are too few");
}

/// As the kernel uses them: who comes takes the other side, or waits.
#[test]
fn by_the_protocol_only_one_side_waits() {
    let mut steps = vec![Step::FastSend, Step::Close];
    for who in 0..WAITERS {
        steps.extend([Step::Receive(who), Step::FastReceive(who), Step::Remove(who), Step::RemoveFault(who)]);
        for (priority, fault) in [(0, false), (1, true), (2, false)] {
            steps.push(Step::Send { who, priority, fault });
        }
    }
    let states = explore(WAITERS, &steps, |machine| {
        let model = &machine.model;
        assert!(model.senders.is_empty() || model.receivers.is_empty(), "both sides wait: {model:?}");
        assert!(
            !model.closed || model.senders.is_empty() && model.receivers.is_empty(),
            "somebody waits at a closed one"
        );
    });
    assert!(states > 200, "{states} states are too few");
}

fn any_step(waiters: usize) -> impl Strategy<Value = Step> {
    let who = move || 0..waiters;
    prop_oneof![
        8 => (who(), any::<u8>(), any::<bool>()).prop_map(|(who, priority, fault)| Step::PushSender { who, priority, fault }),
        6 => who().prop_map(Step::PushReceiver),
        3 => Just(Step::TakeSender),
        3 => Just(Step::TakeReceiver),
        4 => who().prop_map(Step::Remove),
        2 => who().prop_map(Step::RemoveFault),
    ]
}

proptest! {
    #[test]
    fn long_ways_of_many_waiters_are_those_of_the_model(steps in prop::collection::vec(any_step(12), 0..300)) {
        let mut machine = Machine::new(12);
        steps.into_iter().for_each(|step| machine.step(step));
        machine.step(Step::Close);
    }
}
