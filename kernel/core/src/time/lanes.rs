//! Entries by the priority of whoever set them, and by the moment at which they are due.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use alloc::sync::Arc;

use intrusive_collections::rbtree::RBTreeOps;
use intrusive_collections::{Adapter, DefaultPointerOps, KeyAdapter};

use super::deadline_tree::{DeadlineTree, Key, Timed};
use crate::sched::PRIORITIES;

/// A tree of entries for each priority, its lane. Lanes below a floor can be held back until a moment.
pub struct Lanes<T: Timed, A>
where
    A: Adapter<LinkOps: RBTreeOps, PointerOps = DefaultPointerOps<Arc<T>>>,
{
    trees: [DeadlineTree<T, A>; PRIORITIES],
    /// Bit `p` is set if `trees[p]` has an entry.
    occupied: u64,
    /// Lanes below it are held back.
    floor: u8,
    /// Until when, in clock ticks; `u64::MAX` when none is.
    held_until: u64,
}

impl<T: Timed, A> core::fmt::Debug for Lanes<T, A>
where
    A: Adapter<LinkOps: RBTreeOps, PointerOps = DefaultPointerOps<Arc<T>>>,
{
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(out, "Lanes({:#x}, below {} held back until {})", self.occupied, self.floor, self.held_until)
    }
}

impl<T: Timed, A> Lanes<T, A>
where
    A: Adapter<LinkOps: RBTreeOps, PointerOps = DefaultPointerOps<Arc<T>>>,
{
    /// Lanes of these trees, which are empty.
    #[must_use]
    pub const fn new(trees: [DeadlineTree<T, A>; PRIORITIES]) -> Self {
        Self { trees, occupied: 0, floor: 0, held_until: u64::MAX }
    }
}

impl<T: Timed, A> Default for Lanes<T, A>
where
    A: Adapter<LinkOps: RBTreeOps, PointerOps = DefaultPointerOps<Arc<T>>> + Default,
{
    fn default() -> Self {
        Self::new(core::array::from_fn(|_| DeadlineTree::default()))
    }
}

impl<T: Timed, A> Lanes<T, A>
where
    A: Adapter<LinkOps: RBTreeOps, PointerOps = DefaultPointerOps<Arc<T>>> + for<'entry> KeyAdapter<'entry, Key = Key>,
{
    /// When somebody has to look: the first moment of an entry that is not held back, or the end of that; `u64::MAX` for never.
    #[must_use]
    pub fn next(&self) -> u64 {
        let free = self.occupied & u64::MAX.checked_shl(u32::from(self.floor)).unwrap_or(0);
        self.lanes(free).map(|lane| self.trees[lane].earliest()).fold(self.held_until, u64::min)
    }

    /// Takes an entry into the lane of a priority.
    pub fn insert(&mut self, priority: u8, entry: Arc<T>) {
        let lane = usize::from(priority) % PRIORITIES;
        self.trees[lane].insert(entry);
        self.occupied |= 1 << lane;
    }

    /// Takes the entry with this key out of the lane of a priority; `None` if there is none.
    pub fn remove(&mut self, priority: u8, key: Key) -> Option<Arc<T>> {
        let lane = usize::from(priority) % PRIORITIES;
        let removed = self.trees[lane].remove(key);
        self.note_emptied(lane);
        removed
    }

    /// Drops the first entry of the highest priority that is due at `now`, and not below the floor given; answers the priority, too.
    pub fn pop_due(&mut self, now: u64, floor: u8) -> Option<(u8, Arc<T>)> {
        let allowed = self.occupied & u64::MAX.checked_shl(u32::from(floor)).unwrap_or(0);
        let lane = self.lanes(allowed).find(|lane| self.trees[*lane].earliest() <= now)?;
        let entry = self.trees[lane].pop_due(now)?;
        self.note_emptied(lane);
        Some((lane as u8, entry))
    }

    /// Holds the lanes below `floor` back until a moment; where some are held back already, until the moment that was said then.
    pub fn hold(&mut self, floor: u8, until: u64) {
        if floor > 0 && self.held_until == u64::MAX {
            self.held_until = until.min(u64::MAX - 1);
        }
        self.floor = self.floor.max(floor);
    }

    /// Until when lanes are held back; `u64::MAX` when none are.
    #[must_use]
    pub const fn held_until(&self) -> u64 {
        self.held_until
    }

    /// Holds nothing back any more.
    pub fn release(&mut self) {
        self.floor = 0;
        self.held_until = u64::MAX;
    }

    fn note_emptied(&mut self, lane: usize) {
        if self.trees[lane].earliest() == u64::MAX {
            self.occupied &= !(1 << lane);
        }
    }

    /// The lanes of a mask, the highest first.
    fn lanes(&self, mut mask: u64) -> impl Iterator<Item = usize> + use<T, A> {
        core::iter::from_fn(move || {
            let lane = mask.checked_ilog2()?;
            mask &= !(1 << lane);
            Some(lane as usize)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::deadline_tree::tests::{Entry, EntryAdapter};
    use super::*;

    fn lanes_of(entries: &[(u8, u64)]) -> Lanes<Entry, EntryAdapter> {
        let mut lanes = Lanes::default();
        for (number, (priority, moment)) in entries.iter().enumerate() {
            lanes.insert(*priority, Entry::new((*moment, number as u64)));
        }
        lanes
    }

    #[test]
    fn what_is_held_back_is_due_at_the_end_and_not_before() {
        let mut lanes = lanes_of(&[(3, 10), (5, 20)]);
        assert_eq!(lanes.next(), 10);
        lanes.hold(5, 100);
        lanes.hold(4, 500);
        assert_eq!((lanes.next(), lanes.held_until()), (20, 100));
        assert_eq!(lanes.pop_due(50, 5).map(|(priority, _)| priority), Some(5));
        assert!(lanes.pop_due(50, 5).is_none());
        assert_eq!(lanes.next(), 100);
        lanes.release();
        assert_eq!(lanes.next(), 10);
        assert_eq!(lanes.pop_due(100, 0).map(|(priority, _)| priority), Some(3));
        assert_eq!(lanes.next(), u64::MAX);
        lanes.hold(64, 7);
        lanes.insert(63, Entry::new((1, 9)));
        assert_eq!((lanes.next(), lanes.pop_due(9, 64).is_none()), (7, true));
    }

    proptest! {
        /// An interrupt takes so many at most, the next one comes when [`Lanes::next`] says: every entry fires once, none early, those
        /// of a priority in the order of their moments, and nothing that is allowed waits while less urgent things are done.
        #[test]
        fn bounded_interrupts_fire_each_entry_once_in_order_and_never_early(
            entries in proptest::collection::vec((0_u8..5, 0_u64..30), 0..300),
            holds in proptest::collection::vec((0_u8..6, 1_u64..20), 0..20),
            most in 1_usize..8,
        ) {
            let mut lanes = lanes_of(&entries);
            let mut left: BTreeSet<_> =
                entries.iter().enumerate().map(|(number, (priority, moment))| (*priority, *moment, number as u64)).collect();
            let mut holds = holds.into_iter();
            let mut now = 0;
            let mut interrupts = 0;
            while !left.is_empty() {
                let next = lanes.next();
                prop_assert!(next != u64::MAX, "{} entries are lost", left.len());
                now = now.max(next);
                interrupts += 1;
                prop_assert!(interrupts < 1_000, "no progress");
                let mut floor = 0;
                if lanes.held_until() <= now {
                    lanes.release();
                }
                if let Some((hold, length)) = holds.next() {
                    floor = hold;
                    lanes.hold(hold, now + length);
                }
                for _ in 0..most {
                    let Some((priority, entry)) = lanes.pop_due(now, floor) else {
                        prop_assert!(!left.iter().any(|(priority, moment, _)| *moment <= now && *priority >= floor));
                        break;
                    };
                    let (moment, number) = entry.key();
                    prop_assert!(moment <= now && priority >= floor, "early, or held back");
                    prop_assert!(left.remove(&(priority, moment, number)), "twice");
                    let before = |other: &&(u8, u64, u64)| other.0 == priority && (other.1, other.2) < (moment, number);
                    prop_assert!(left.iter().find(before).is_none(), "out of order");
                    prop_assert!(!left.iter().any(|(other, due, _)| *other > priority && *due <= now), "a more urgent one waits");
                }
            }
        }
    }
}
