//! Removals that are under way at the same time, with other operations in between.

use proptest::prelude::*;

use super::super::{Destination, Removed, Rights, Step};
use super::world::{OBJECTS, Probe, World, slot};

const SPACES: usize = 3;
const SLOTS: u64 = 8;

#[derive(Clone, Copy, Debug)]
enum Action {
    Insert {
        space: usize,
    },
    Copy {
        from: (usize, u64),
        to: usize,
    },
    Bind {
        from: (usize, u64),
    },
    Delete {
        from: (usize, u64),
    },
    Revoke {
        from: (usize, u64),
    },
    End {
        space: usize,
    },
    /// One of the removals that are under way makes a step.
    Step {
        choice: usize,
    },
}

fn action() -> impl Strategy<Value = Action> {
    let from = || (0..SPACES, 1..=SLOTS);
    prop_oneof![
        2 => (0..SPACES).prop_map(|space| Action::Insert { space }),
        12 => (from(), 0..SPACES).prop_map(|(from, to)| Action::Copy { from, to }),
        3 => from().prop_map(|from| Action::Bind { from }),
        4 => from().prop_map(|from| Action::Delete { from }),
        2 => from().prop_map(|from| Action::Revoke { from }),
        1 => (0..SPACES).prop_map(|space| Action::End { space }),
        12 => any::<usize>().prop_map(|choice| Action::Step { choice }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever comes between two steps: nothing is lost, nothing is dropped twice, and no node stays.
    #[test]
    fn removals_may_be_interleaved(actions in proptest::collection::vec(action(), 1..200)) {
        let world = World::new(&[SLOTS as u32; SPACES]);
        let (forest, spaces) = (&world.forest, &world.spaces);
        let mut under_way: Vec<Removed<'_, Probe>> = Vec::new();
        let mut held = Vec::new();
        for (number, action) in actions.into_iter().enumerate() {
            match action {
                Action::Insert { space } => {
                    let _ = forest.insert(&spaces[space], Destination::AnyFree, world.capability(0, Rights::ALL, 0));
                }
                Action::Copy { from, to } => {
                    let any = Destination::AnyFree;
                    let _ = forest.copy(&spaces[from.0], slot(from.1), &spaces[to], any, Rights::ALL);
                }
                Action::Bind { from } => held.extend(forest.bind(&spaces[from.0], slot(from.1), number as u64)),
                Action::Delete { from } => under_way.extend(forest.delete(&spaces[from.0], slot(from.1))),
                Action::Revoke { from } => under_way.extend(forest.revoke(&spaces[from.0], slot(from.1))),
                Action::End { space } => under_way.push(forest.end(&spaces[space])),
                Action::Step { choice } => {
                    if let Some(which) = choice.checked_rem(under_way.len())
                        && matches!(under_way[which].step(), Step::Done)
                    {
                        drop(under_way.swap_remove(which));
                    }
                }
            }
        }
        drop(under_way);
        world.nodes();
        for space in spaces {
            drop(forest.end(space));
        }
        prop_assert_eq!(world.nodes(), 0);
        held.clear();
        prop_assert_eq!(world.counts(), [0; OBJECTS]);
        for space in spaces {
            prop_assert_eq!(std::sync::Arc::strong_count(space), 1, "a node outlived its capability");
        }
    }
}
