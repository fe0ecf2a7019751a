//! Random sequences of operations, on a forest and on the model.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::super::{Binding, Capability, Destination, Error, Removed, Rights, Slot, Taken};
use super::model::{Gone, Model};
use super::world::{OBJECTS, Probe, World, slot};

const QUOTAS: [u32; 4] = [6, 4, 1, 0];
/// Spaces and slots that operations name; the last slot is beyond every quota.
const SPACES: std::ops::Range<usize> = 0..QUOTAS.len();
const SLOTS: std::ops::RangeInclusive<u64> = 1..=7;

#[derive(Clone, Copy, Debug)]
enum Operation {
    Insert {
        to: (usize, Option<u64>),
        object: usize,
        rights: Rights,
        badge: u64,
    },
    Derive {
        from: (usize, u64),
        to: (usize, Option<u64>),
        rights: Rights,
        badge: Option<u64>,
    },
    Transfer {
        from: (usize, u64),
        to: (usize, Option<u64>),
    },
    Delete {
        from: (usize, u64),
    },
    Revoke {
        from: (usize, u64),
    },
    Bind {
        from: (usize, u64),
    },
    /// Of the bindings that were ever made, the one with this number modulo their count.
    BindAgain {
        choice: usize,
    },
    /// Chosen in the same way.
    Unbind {
        choice: usize,
    },
    End {
        space: usize,
    },
}

fn rights() -> impl Strategy<Value = Rights> {
    // Mostly with the right to leave the space: deep trees over several spaces are what is looked for.
    prop_oneof![
        3 => Just(Rights::ALL),
        1 => (0..=Rights::ALL.bits()).prop_map(|bits| Rights::from_bits(bits).expect("known bits")),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    let from = || (prop_oneof![3 => Just(0), 2 => SPACES], prop_oneof![4 => 1..=4_u64, 1 => SLOTS]);
    let to = || (prop_oneof![2 => Just(0), 3 => SPACES], prop_oneof![3 => Just(None), 1 => SLOTS.prop_map(Some)]);
    prop_oneof![
        6 => (to(), 0..OBJECTS, rights(), 0..3_u64)
            .prop_map(|(to, object, rights, badge)| Operation::Insert { to, object, rights, badge }),
        24 => (from(), to(), rights(), proptest::option::of(0..3_u64))
            .prop_map(|(from, to, rights, badge)| Operation::Derive { from, to, rights, badge }),
        8 => (from(), to()).prop_map(|(from, to)| Operation::Transfer { from, to }),
        5 => from().prop_map(|from| Operation::Delete { from }),
        2 => from().prop_map(|from| Operation::Revoke { from }),
        5 => from().prop_map(|from| Operation::Bind { from }),
        2 => any::<usize>().prop_map(|choice| Operation::BindAgain { choice }),
        2 => any::<usize>().prop_map(|choice| Operation::Unbind { choice }),
        1 => (1..QUOTAS.len()).prop_map(|space| Operation::End { space }),
    ]
}

/// What an operation answered.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Slot(Result<u64, Error>),
    Gone(Result<Gone, Error>),
    Nothing(Result<(), Error>),
}

/// The forest, with the holders of its bindings.
struct Run {
    world: Arc<World>,
    holders: BTreeMap<u64, (Binding, Capability<Probe>)>,
    /// Every binding ever made; the index is the holder.
    bindings: Vec<Binding>,
}

impl Run {
    fn new() -> Self {
        Self { world: World::new(&QUOTAS), holders: BTreeMap::new(), bindings: Vec::new() }
    }

    fn apply(&mut self, operation: Operation) -> Answer {
        let world = Arc::clone(&self.world);
        let (forest, spaces) = (&world.forest, &world.spaces);
        let at = |to: Option<u64>| to.map_or(Destination::AnyFree, |number| Destination::At(slot(number)));
        let number = |result: Result<Slot, Error>| Answer::Slot(result.map(Slot::number));
        match operation {
            Operation::Insert { to, object, rights, badge } => {
                number(forest.insert(&spaces[to.0], at(to.1), world.capability(object, rights, badge)))
            }
            Operation::Derive { from, to, rights, badge: None } => {
                number(forest.copy(&spaces[from.0], slot(from.1), &spaces[to.0], at(to.1), rights))
            }
            Operation::Derive { from, to, rights, badge: Some(badge) } => {
                number(forest.mint(&spaces[from.0], slot(from.1), &spaces[to.0], at(to.1), rights, badge))
            }
            Operation::Transfer { from, to } => {
                number(forest.transfer(&spaces[from.0], slot(from.1), &spaces[to.0], at(to.1)))
            }
            Operation::Delete { from } => {
                let removed = forest.delete(&spaces[from.0], slot(from.1));
                Answer::Gone(removed.map(|removed| self.hand_out(removed)))
            }
            Operation::Revoke { from } => {
                let removed = forest.revoke(&spaces[from.0], slot(from.1));
                Answer::Gone(removed.map(|removed| self.hand_out(removed)))
            }
            Operation::End { space } => Answer::Gone(Ok(self.hand_out(forest.end(&spaces[space])))),
            Operation::Bind { from } => {
                let holder = self.bindings.len() as u64;
                Answer::Nothing(forest.bind(&spaces[from.0], slot(from.1), holder).map(|(binding, capability)| {
                    self.bindings.push(binding);
                    self.holders.insert(holder, (binding, capability));
                }))
            }
            Operation::BindAgain { choice } => Answer::Nothing(self.bind_again(choice)),
            Operation::Unbind { choice } => match choice.checked_rem(self.bindings.len()) {
                Some(holder) => {
                    self.holders.remove(&(holder as u64));
                    Answer::Nothing(forest.unbind(self.bindings[holder]))
                }
                None => Answer::Nothing(Err(Error::NoSuchSlot)),
            },
        }
    }

    fn bind_again(&mut self, choice: usize) -> Result<(), Error> {
        let known = choice.checked_rem(self.bindings.len()).ok_or(Error::NoSuchSlot)?;
        let (binding, capability) = self.holders.get(&(known as u64)).ok_or(Error::NoSuchSlot)?;
        let capability = capability.share()?;
        let holder = self.bindings.len() as u64;
        let again = self.world.forest.bind_again(*binding, holder)?;
        assert_ne!(again, *binding);
        self.bindings.push(again);
        self.holders.insert(holder, (again, capability));
        Ok(())
    }

    /// Drops what was removed and clears the bindings that are reported.
    fn hand_out(&mut self, removed: Removed<'_, Probe>) -> Gone {
        let mut gone = Gone::default();
        for taken in removed {
            match taken {
                Taken::Capability(capability) => {
                    gone.0.push((capability.object.object, capability.rights.bits(), capability.badge));
                }
                Taken::Binding { binding, holder } => {
                    let (known, _) = self.holders.remove(&holder).expect("a holder that still has its binding");
                    assert_eq!(known, binding);
                    gone.1.push(holder);
                }
            }
        }
        gone.0.sort_unstable();
        gone.1.sort_unstable();
        gone
    }

    /// Every slot of every space, every count of references and the number of nodes are those of the model.
    fn compare(&self, model: &Model) {
        for (index, space) in self.world.spaces.iter().enumerate() {
            let mut used = 0;
            for number in SLOTS {
                let real = space.inspect(slot(number), |capability| {
                    (capability.object.object, capability.rights, capability.badge)
                });
                let expected = model.find(index, number).map(|(_, node)| (node.object, node.rights, node.badge));
                assert_eq!(real.ok(), expected, "space {index}, slot {number}");
                used += u32::from(expected.is_some());
            }
            assert_eq!((space.used(), u64::from(space.quota())), (used, model.quota(index)));
        }
        assert_eq!(self.world.counts(), model.counts());
        assert_eq!(self.world.nodes(), model.len());
    }
}

/// What the model answers; `chosen` is the slot that the forest took.
fn apply_to_model(model: &mut Model, operation: Operation, bindings: usize, chosen: Option<u64>) -> Answer {
    if let Operation::Insert { to, .. } | Operation::Derive { to, .. } | Operation::Transfer { to, .. } = operation
        && let (space, None, Some(chosen)) = (to.0, to.1, chosen)
    {
        model.prefer(space, chosen);
    }
    match operation {
        Operation::Insert { to, object, rights, badge } => {
            Answer::Slot(model.insert(to.0, to.1, (object, rights, badge)))
        }
        Operation::Derive { from, to, rights, badge } => Answer::Slot(model.derive(from, to, rights, badge)),
        Operation::Transfer { from, to } => Answer::Slot(model.transfer(from, to)),
        Operation::Delete { from } => Answer::Gone(model.delete(from.0, from.1)),
        Operation::Revoke { from } => Answer::Gone(model.revoke(from.0, from.1)),
        Operation::End { space } => Answer::Gone(Ok(model.end(space))),
        Operation::Bind { from } => Answer::Nothing(model.bind(from.0, from.1, bindings as u64)),
        Operation::BindAgain { choice } => Answer::Nothing(match choice.checked_rem(bindings) {
            Some(holder) => model.bind_again(holder as u64, bindings as u64),
            None => Err(Error::NoSuchSlot),
        }),
        Operation::Unbind { choice } => Answer::Nothing(match choice.checked_rem(bindings) {
            Some(holder) => model.unbind(holder as u64),
            None => Err(Error::NoSuchSlot),
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_forest_does_what_the_model_does(operations in proptest::collection::vec(operation(), 1..120)) {
        let (mut run, mut model) = (Run::new(), Model::new(&QUOTAS));
        for operation in operations {
            let bindings = run.bindings.len();
            let answer = run.apply(operation);
            let chosen = if let Answer::Slot(Ok(slot)) = answer { Some(slot) } else { None };
            let expected = apply_to_model(&mut model, operation, bindings, chosen);
            prop_assert_eq!(answer, expected, "{:?}", operation);
            run.compare(&model);
        }
        for space in SPACES {
            run.apply(Operation::End { space });
        }
        prop_assert!(run.holders.is_empty(), "a binding outlived all slots");
        prop_assert_eq!((run.world.counts(), run.world.nodes()), ([0; OBJECTS], 0));
        prop_assert_eq!(Arc::strong_count(&run.world), 1);
        for space in &run.world.spaces {
            prop_assert_eq!(Arc::strong_count(space), 1, "a node outlived its capability");
        }
    }

    #[test]
    fn the_same_operations_choose_the_same_slots(operations in proptest::collection::vec(operation(), 1..120)) {
        let (mut first, mut second) = (Run::new(), Run::new());
        for operation in operations {
            prop_assert_eq!(first.apply(operation), second.apply(operation));
        }
        for run in [&mut first, &mut second] {
            SPACES.for_each(|space| drop(run.apply(Operation::End { space })));
        }
    }
}
