//! What the random sequences do not reach: depth, threads, and the cases worth reading.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::super::{CapabilitySpace, Destination, Error, Rights, Taken};
use super::world::{Probe, World, badges_and_holders, slot};

const ANY: Destination = Destination::AnyFree;

#[test]
fn slots_count_from_one_and_the_last_freed_is_used_first() {
    let world = World::new(&[4]);
    let (forest, space) = (&world.forest, &world.spaces[0]);
    for number in 1..=4 {
        assert_eq!(forest.insert(space, ANY, world.capability(0, Rights::ALL, 0)), Ok(slot(number)));
    }
    assert_eq!(forest.insert(space, ANY, world.capability(0, Rights::ALL, 0)), Err(Error::Full));
    assert_eq!(world.counts()[0], 4, "the refused capability is dropped");
    for number in [2, 4, 3] {
        drop(forest.delete(space, slot(number)).expect("a capability"));
    }
    for number in [3, 4, 2] {
        assert_eq!(forest.insert(space, ANY, world.capability(0, Rights::ALL, 0)), Ok(slot(number)));
    }
    drop(forest.end(space));
    assert_eq!((world.counts()[0], world.nodes(), space.quota()), (0, 0, 0));
    assert_eq!(forest.insert(space, ANY, world.capability(0, Rights::ALL, 0)), Err(Error::Full));
}

#[test]
fn a_slot_may_be_asked_for() {
    let world = World::new(&[4]);
    let (forest, space) = (&world.forest, &world.spaces[0]);
    let insert = |destination| forest.insert(space, destination, world.capability(0, Rights::ALL, 0));
    assert_eq!(insert(Destination::At(slot(3))), Ok(slot(3)));
    assert_eq!(insert(Destination::At(slot(3))), Err(Error::SlotInUse));
    assert_eq!(insert(Destination::At(slot(5))), Err(Error::NoSuchSlot));
    assert_eq!(
        [insert(ANY), insert(ANY), insert(ANY), insert(ANY)],
        [Ok(slot(1)), Ok(slot(2)), Ok(slot(4)), Err(Error::Full)]
    );
    drop(forest.end(space));
}

/// The short look-up by number finds what the checked one does, and is asked with any number.
#[test]
fn a_capability_is_found_by_its_number_alone() {
    let world = World::new(&[3]);
    let (forest, space) = (&world.forest, &world.spaces[0]);
    for badge in [7, 8, 9] {
        forest.insert(space, ANY, world.capability(0, Rights::ALL, badge)).expect("room");
    }
    drop(forest.delete(space, slot(2)).expect("a capability"));
    let found = |number| space.table().lock().at(number).map(|capability| capability.badge);
    assert_eq!([0, 1, 2, 3, 4, 1 << 32 | 1, u64::MAX].map(found), [None, Some(7), None, Some(9), None, None, None]);
    drop(forest.end(space));
}

#[test]
fn another_object_below_a_capability_goes_with_it() {
    let world = World::new(&[4]);
    let (forest, space) = (&world.forest, &world.spaces[0]);
    let rights = Rights::READ.union(Rights::CONTROL);
    let source = forest.insert(space, ANY, world.capability(0, rights, 0)).expect("room");
    let below = forest.insert_below(space, source, ANY, world.capability(1, Rights::ALL, 0)).expect("room");
    assert_eq!(space.inspect(below, |capability| capability.rights), Ok(rights), "no more rights than the source");
    let refused = forest.insert_below(space, slot(4), ANY, world.capability(1, Rights::ALL, 0));
    assert_eq!((refused, world.counts()[1]), (Err(Error::NoSuchSlot), 1), "the refused capability is dropped");
    drop(forest.revoke(space, source).expect("a capability"));
    assert_eq!((world.counts()[0], world.counts()[1]), (1, 0));
    drop(forest.end(space));
    assert_eq!(world.nodes(), 0);
}

#[test]
fn rights_shrink_and_badges_stay() {
    let world = World::new(&[8, 8]);
    let (forest, own, other) = (&world.forest, &world.spaces[0], &world.spaces[1]);
    let root = forest.insert(own, ANY, world.capability(0, Rights::ALL, 0)).expect("room");
    let sender = forest.mint(own, root, own, ANY, Rights::SEND, 7).expect("room");
    let again = forest.copy(own, sender, own, ANY, Rights::ALL).expect("room");
    assert_eq!(own.inspect(again, |capability| (capability.rights, capability.badge)), Ok((Rights::SEND, 7)));
    assert_eq!(forest.mint(own, sender, own, ANY, Rights::ALL, 8), Err(Error::BadgeFixed));
    assert_eq!(forest.mint(own, sender, own, ANY, Rights::ALL, 0), Err(Error::BadgeFixed));
    assert!(forest.mint(own, sender, own, ANY, Rights::ALL, 7).is_ok());
    assert_eq!(forest.copy(own, sender, other, ANY, Rights::ALL), Err(Error::NotPermitted));
    assert_eq!(forest.transfer(own, sender, other, ANY), Err(Error::NotPermitted));
    assert!(forest.copy(own, root, other, ANY, Rights::SEND).is_ok());
    drop(forest.end(own));
    assert_eq!(world.counts()[0], 1);
    drop(forest.end(other));
}

#[test]
fn bindings_follow_their_capability_and_end_with_it() {
    let world = World::new(&[8, 8]);
    let (forest, own, other) = (&world.forest, &world.spaces[0], &world.spaces[1]);
    let root = forest.insert(own, ANY, world.capability(0, Rights::ALL, 1)).expect("room");
    let child = forest.copy(own, root, own, ANY, Rights::ALL).expect("room");
    let (_, first) = forest.bind(own, root, 100).expect("a binding");
    let (binding, second) = forest.bind(own, child, 200).expect("a binding");
    assert_eq!(first.badge, 1);

    let child = forest.transfer(own, child, other, ANY).expect("room");
    assert_eq!(badges_and_holders(forest.delete(own, root).expect("there")), (vec![1], vec![100]));

    let mut removed = forest.revoke(other, child).expect("there");
    assert!(matches!(removed.next(), Some(Taken::Binding { binding: gone, holder: 200 }) if gone == binding));
    assert!(removed.next().is_none());
    drop(removed);
    assert_eq!(forest.unbind(binding), Err(Error::NoSuchSlot), "it was removed already");

    let (later, third) = forest.bind(other, child, 200).expect("a binding");
    assert_ne!(later, binding, "the node is used again, the name is not");
    assert_eq!(forest.unbind(binding), Err(Error::NoSuchSlot));
    assert_eq!(forest.unbind(later), Ok(()));
    drop((first, second, third));
    drop(forest.end(other));
    assert_eq!((world.counts()[0], world.nodes()), (0, 0));
}

#[test]
fn a_lookup_outlives_the_slot() {
    let world = World::new(&[1]);
    let (forest, space) = (&world.forest, &world.spaces[0]);
    let only = forest.insert(space, ANY, world.capability(0, Rights::READ, 5)).expect("room");
    let held = space.get(only).expect("there");
    drop(forest.delete(space, only).expect("there"));
    assert_eq!(space.get(only).err(), Some(Error::NoSuchSlot));
    assert_eq!((held.object.object, held.badge, world.counts()[0]), (0, 5, 1));
}

#[test]
fn long_chains_and_wide_families_are_removed_whole() {
    const COUNT: u32 = 100_000;
    let world = World::new(&[COUNT + 1]);
    let (forest, space) = (&world.forest, &world.spaces[0]);
    let root = forest.insert(space, ANY, world.capability(0, Rights::ALL, 0)).expect("room");
    for chain in [true, false] {
        let mut source = root;
        for _ in 0..COUNT {
            let copy = forest.copy(space, source, space, ANY, Rights::ALL).expect("room");
            source = if chain { copy } else { root };
        }
        assert_eq!(forest.copy(space, root, space, ANY, Rights::ALL), Err(Error::Full));
        assert_eq!(forest.revoke(space, root).expect("there").count(), COUNT as usize);
        assert_eq!((space.used(), world.nodes()), (1, 1));
    }
    drop(forest.end(space));
}

#[test]
fn lookups_race_with_moves_and_revocation() {
    let world = World::new(&[4, 4]);
    let [left, right] = [0, 1].map(|index| &world.spaces[index]);
    let root = world.forest.insert(left, ANY, world.capability(0, Rights::ALL, 9)).expect("room");
    let stop = AtomicBool::new(false);
    let look = |space: &Arc<CapabilitySpace<Probe>>| {
        while !stop.load(Ordering::Relaxed) {
            for number in 1..=4 {
                match space.get(slot(number)) {
                    Ok(capability) => assert_eq!((capability.object.object, capability.badge), (0, 9)),
                    Err(error) => assert_eq!(error, Error::NoSuchSlot),
                }
            }
            thread::yield_now();
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| look(left));
        scope.spawn(|| look(right));
        for _ in 0..20_000 {
            let copy = world.forest.copy(left, root, right, ANY, Rights::ALL).expect("room");
            world.forest.copy(right, copy, left, ANY, Rights::ALL).expect("room");
            world.forest.transfer(right, copy, left, ANY).expect("room");
            assert_eq!(world.forest.revoke(left, root).expect("there").count(), 2);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!((left.used(), right.used(), world.counts()[0], world.nodes()), (1, 0, 1, 1));
    drop(world.forest.end(left));
}
