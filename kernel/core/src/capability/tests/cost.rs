//! What removing costs, in links that are changed and nodes that are freed.

use std::sync::Arc;

use super::super::{CapabilitySpace, Destination, Forest, Removed, Rights, Slot, Step};
use super::world::{Probe, World};

const ANY: Destination = Destination::AnyFree;
/// No step may take more, whatever there is: a piece of work under the forest's lock.
const STEP_LIMIT: u64 = 5 * 16 + 8;

type Space = Arc<CapabilitySpace<Probe>>;

fn copy(forest: &Forest<Probe>, from: &Space, source: Slot, to: &Space) -> Slot {
    forest.copy(from, source, to, ANY, Rights::ALL).expect("room")
}

/// Goes through all steps; answers how many items there were and what they cost, and checks each step.
fn cost(world: &World, mut removed: Removed<'_, Probe>) -> (u64, u64) {
    let before = world.steps();
    let (mut items, mut last) = (0, before);
    loop {
        match removed.step() {
            Step::Taken(taken) => {
                drop(taken);
                items += 1;
            }
            Step::More => {}
            Step::Done => return (items, world.steps() - before),
        }
        let now = world.steps();
        assert!(now - last <= STEP_LIMIT, "{} links changed in one step", now - last);
        last = now;
    }
}

/// A chain of copies in one space, whose lowest was copied into others: that end costs what the space has, wherever the
/// chain's capabilities lie, in rising or in falling slots.
#[test]
fn an_end_costs_what_the_program_has_and_not_what_others_have() {
    const CHAIN: u32 = 300;
    for (copies, falling) in [(10, false), (3000, false), (10, true), (3000, true)] {
        let world = World::new(&[4, CHAIN, copies]);
        let (forest, [root, own, others]) = (&world.forest, [0, 1, 2].map(|space| &world.spaces[space]));
        let top = forest.insert(root, ANY, world.capability(0, Rights::ALL, 0)).expect("room");
        let mut lowest = forest.copy(root, top, own, ANY, Rights::ALL).expect("room");
        for number in 1..u64::from(CHAIN) {
            let at = if falling { u64::from(CHAIN) + 1 - number } else { number + 1 };
            let slot = Destination::At(Slot::new(at).expect("a slot"));
            lowest = forest.copy(own, lowest, own, slot, Rights::ALL).expect("room");
        }
        for _ in 0..copies {
            copy(forest, own, lowest, others);
        }
        let (items, steps) = cost(&world, forest.end(own));
        assert_eq!(items, u64::from(CHAIN));
        assert!(steps <= 6 * u64::from(CHAIN), "{steps} steps for {CHAIN} capabilities with {copies} copies");
        assert_eq!(world.nodes(), copies as usize + 1);
        // They are still below what the chain was below.
        let (items, steps) = cost(&world, forest.revoke(root, top).expect("there"));
        assert_eq!(items, u64::from(copies));
        assert!(steps <= 8 * u64::from(copies) + 8, "{steps} steps for {copies} copies");
        assert_eq!((world.nodes(), others.used()), (1, 0));
        drop(forest.end(root));
    }
}

/// Each copy has another copy below it and one beside: revoking goes through ghosts below ghosts.
#[test]
fn revoking_costs_what_goes() {
    const DEPTH: u32 = 500;
    let world = World::new(&[2, DEPTH, 2 * DEPTH]);
    let (forest, [root, inner, leaves]) = (&world.forest, [0, 1, 2].map(|space| &world.spaces[space]));
    let top = forest.insert(root, ANY, world.capability(0, Rights::ALL, 0)).expect("room");
    let (mut from, mut source) = (root, top);
    for _ in 0..DEPTH {
        copy(forest, from, source, leaves);
        (source, from) = (copy(forest, from, source, inner), inner);
    }
    copy(forest, inner, source, leaves);
    copy(forest, inner, source, leaves);
    let (_, steps) = cost(&world, forest.end(inner));
    assert!(steps <= 6 * u64::from(DEPTH), "{steps} steps");
    let (items, steps) = cost(&world, forest.revoke(root, top).expect("there"));
    assert_eq!(items, u64::from(DEPTH) + 2);
    assert!(steps <= 12 * u64::from(DEPTH), "{steps} steps for {items}");
    assert_eq!((world.nodes(), leaves.used()), (1, 0));
    drop(forest.end(root));
}

/// A capability that many threads are bound to goes in as many steps, and its copies cost nothing.
#[test]
fn bindings_are_found_among_any_number_of_copies() {
    const BINDINGS: u64 = 200;
    let world = World::new(&[2, 2000]);
    let (forest, [own, others]) = (&world.forest, [0, 1].map(|space| &world.spaces[space]));
    let top = forest.insert(own, ANY, world.capability(0, Rights::ALL, 0)).expect("room");
    let mut held = Vec::new();
    for number in 0..BINDINGS {
        for _ in 0..10 {
            copy(forest, own, top, others);
        }
        held.push(forest.bind(own, top, number).expect("room"));
    }
    let (items, steps) = cost(&world, forest.delete(own, top).expect("there"));
    assert_eq!(items, BINDINGS + 1);
    assert!(steps <= 4 * BINDINGS, "{steps} steps");
    assert_eq!((world.nodes(), others.used()), (2000, 2000));
    drop(held);
    drop(forest.end(others));
    assert_eq!(world.nodes(), 0);
}
