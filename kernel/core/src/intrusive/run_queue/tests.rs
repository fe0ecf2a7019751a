//! Two queues against a naive model of them.

use intrusive_collections::{LinkedListAtomicLink, intrusive_adapter};
use proptest::prelude::*;

use super::*;

const THREADS: usize = 8;
const TOP: u8 = PRIORITIES as u8 - 1;

struct Worker {
    number: usize,
    priority: Cell<u8>,
    tag: Cell<u32>,
    link: LinkedListAtomicLink,
}

intrusive_adapter!(WorkerAdapter = Arc<Worker>: Worker { link => LinkedListAtomicLink });

// SAFETY: each test has its workers to itself.
unsafe impl Send for Worker {}
// SAFETY: each test has its workers to itself.
unsafe impl Sync for Worker {}

// SAFETY: the tag is a cell that nothing else sets; the tests change the priority of workers in no queue only.
unsafe impl Runnable for Worker {
    type Adapter = WorkerAdapter;
    const ADAPTER: WorkerAdapter = WorkerAdapter::NEW;

    fn priority(&self) -> u8 {
        self.priority.get()
    }

    fn queued(&self) -> u32 {
        self.tag.get()
    }

    fn set_queued(&self, tag: u32) {
        self.tag.set(tag);
    }
}

/// What the queues of two CPUs must do, in the plainest way: numbers and priorities in the order of arrival.
#[derive(Debug, Default)]
struct Model([Vec<(usize, u8)>; 2]);

impl Model {
    fn is_queued(&self, number: usize) -> bool {
        self.0.iter().flatten().any(|(other, _)| *other == number)
    }

    /// As they would be taken.
    fn order(&self, cpu: usize) -> Vec<usize> {
        let mut sorted = self.0[cpu].clone();
        sorted.sort_by_key(|(_, priority)| core::cmp::Reverse(*priority));
        sorted.into_iter().map(|(number, _)| number).collect()
    }

    fn remove(&mut self, cpu: usize, number: usize) -> Option<usize> {
        let place = self.0[cpu].iter().position(|(other, _)| *other == number)?;
        Some(self.0[cpu].remove(place).0)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Push {
        cpu: usize,
        number: usize,
        priority: u8,
    },
    Pop {
        cpu: usize,
    },
    Remove {
        cpu: usize,
        number: usize,
    },
    /// The first of so many at most whose number is in the set.
    TakeOne {
        cpu: usize,
        most: usize,
        set: u8,
    },
    HasOne {
        cpu: usize,
        most: usize,
        set: u8,
    },
    TakeMatching {
        cpu: usize,
        set: u8,
    },
}

const fn is_in(set: u8, number: usize) -> bool {
    set & 1 << number != 0
}

fn priority() -> impl Strategy<Value = u8> {
    prop::sample::select(vec![0, 1, 2, 31, TOP - 1, TOP])
}

fn step() -> impl Strategy<Value = Step> {
    let (cpu, number) = (|| 0..2_usize, || 0..THREADS);
    let most = || prop_oneof![0..4_usize, Just(usize::MAX)];
    prop_oneof![
        6 => (cpu(), number(), priority()).prop_map(|(cpu, number, priority)| Step::Push { cpu, number, priority }),
        2 => cpu().prop_map(|cpu| Step::Pop { cpu }),
        2 => (cpu(), number()).prop_map(|(cpu, number)| Step::Remove { cpu, number }),
        1 => (cpu(), most(), any::<u8>()).prop_map(|(cpu, most, set)| Step::TakeOne { cpu, most, set }),
        1 => (cpu(), most(), any::<u8>()).prop_map(|(cpu, most, set)| Step::HasOne { cpu, most, set }),
        1 => (cpu(), any::<u8>()).prop_map(|(cpu, set)| Step::TakeMatching { cpu, set }),
    ]
}

struct World {
    workers: Vec<Arc<Worker>>,
    queues: [RunQueue<Worker>; 2],
    model: Model,
}

impl World {
    fn new() -> Self {
        let worker = |number| {
            let link = LinkedListAtomicLink::new();
            Arc::new(Worker { number, priority: Cell::new(0), tag: Cell::new(0), link })
        };
        let queues = [0, 1].map(|cpu| RunQueue::new(CpuIndex::new(cpu)));
        Self { workers: (0..THREADS).map(worker).collect(), queues, model: Model::default() }
    }

    fn take(&mut self, step: &Step) {
        let numbers = |taken: Option<Arc<Worker>>| taken.map(|worker| worker.number);
        match *step {
            Step::Push { number, .. } if self.model.is_queued(number) => {}
            Step::Push { cpu, number, priority } => {
                self.workers[number].priority.set(priority);
                self.queues[cpu].push(Arc::clone(&self.workers[number]));
                self.model.0[cpu].push((number, priority));
            }
            Step::Pop { cpu } => {
                let first = self.model.order(cpu).first().copied();
                assert_eq!(numbers(self.queues[cpu].pop()), first);
                first.map(|first| self.model.remove(cpu, first));
            }
            Step::Remove { cpu, number } => {
                let expected = self.model.remove(cpu, number);
                assert_eq!(numbers(self.queues[cpu].remove(&self.workers[number])), expected);
            }
            Step::TakeOne { cpu, most, set } => {
                let found = self.model.order(cpu).into_iter().take(most).find(|number| is_in(set, *number));
                let queue = &self.queues[cpu];
                let taken = queue.take_one(most, |worker| {
                    assert!(queue.is_in_use());
                    is_in(set, worker.number)
                });
                assert_eq!(numbers(taken), found);
                found.map(|found| self.model.remove(cpu, found));
            }
            Step::HasOne { cpu, most, set } => {
                let found = self.model.order(cpu).into_iter().take(most).any(|number| is_in(set, number));
                assert_eq!(self.queues[cpu].has_one(most, |worker| is_in(set, worker.number)), found);
            }
            Step::TakeMatching { cpu, set } => {
                let mut taken = Vec::new();
                self.queues[cpu].take_matching(|worker| is_in(set, worker.number), |worker| taken.push(worker.number));
                taken.sort_unstable();
                let mut expected = self.model.order(cpu);
                expected.retain(|number| is_in(set, *number));
                expected.sort_unstable();
                assert_eq!(taken, expected);
                self.model.0[cpu].retain(|(number, _)| !is_in(set, *number));
            }
        }
    }

    /// What the queues say is what the model says.
    fn check(&self) {
        for (cpu, queue) in self.queues.iter().enumerate() {
            let waiting = &self.model.0[cpu];
            assert_eq!(queue.is_empty(), waiting.is_empty());
            assert!(!queue.is_in_use());
            for priority in [0, 1, 2, 3, 30, 31, 32, TOP - 1, TOP] {
                assert_eq!(queue.nobody_above(priority), waiting.iter().all(|(_, other)| *other <= priority));
                assert_eq!(queue.nobody_from(priority), waiting.iter().all(|(_, other)| *other < priority));
            }
            for worker in &self.workers {
                assert_eq!(queue.has(worker), waiting.iter().any(|(number, _)| *number == worker.number));
            }
        }
        for worker in &self.workers {
            let is_queued = self.model.is_queued(worker.number);
            assert_eq!((worker.tag.get() != 0, worker.link.is_linked()), (is_queued, is_queued));
            assert_eq!(Arc::strong_count(worker), 1 + usize::from(is_queued));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn queues_do_as_the_model_does(steps in prop::collection::vec(step(), 0..80)) {
        let mut world = World::new();
        world.check();
        for step in &steps {
            world.take(step);
            world.check();
        }
    }
}

#[test]
fn the_most_urgent_goes_first_and_equals_in_the_order_of_their_arrival() {
    let mut world = World::new();
    for (number, priority) in [(0, 5), (1, TOP), (2, 5), (3, 0), (4, TOP)] {
        world.take(&Step::Push { cpu: 0, number, priority });
    }
    assert!(!world.queues[0].nobody_above(TOP - 1) && world.queues[0].nobody_above(TOP));
    let taken: Vec<_> = core::iter::from_fn(|| world.queues[0].pop()).map(|worker| worker.number).collect();
    assert_eq!(taken, [1, 4, 0, 2, 3]);
    assert_eq!(std::format!("{:?}", world.queues[0]), "RunQueue(occupied priorities 0x0)");
}
