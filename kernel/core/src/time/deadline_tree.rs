//! Entries by the moment at which they are due.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use alloc::sync::Arc;

use intrusive_collections::rbtree::RBTreeOps;
use intrusive_collections::{Adapter, DefaultPointerOps, KeyAdapter, RBTree};

/// What an entry is found by: its moment in clock ticks, then its number, which no other entry of the tree has.
pub type Key = (u64, u64);

/// Something that is due at a moment.
pub trait Timed {
    /// Where it stands in the tree; does not change while it is in one.
    fn key(&self) -> Key;
}

/// Entries in the order of their keys. Putting in and taking out takes a time that grows with the logarithm of their
/// number; asking for the earliest moment takes one load.
pub struct DeadlineTree<T: Timed, A>
where
    A: Adapter<LinkOps: RBTreeOps, PointerOps = DefaultPointerOps<Arc<T>>>,
{
    tree: RBTree<A>,
    /// The moment of the first entry; `u64::MAX` when there is none.
    earliest: u64,
}

impl<T: Timed, A> core::fmt::Debug for DeadlineTree<T, A>
where
    A: Adapter<LinkOps: RBTreeOps, PointerOps = DefaultPointerOps<Arc<T>>>,
{
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(out, "DeadlineTree(earliest {})", self.earliest)
    }
}

impl<T: Timed, A> DeadlineTree<T, A>
where
    A: Adapter<LinkOps: RBTreeOps, PointerOps = DefaultPointerOps<Arc<T>>>,
{
    /// An empty tree.
    #[must_use]
    pub const fn new(adapter: A) -> Self {
        Self { tree: RBTree::new(adapter), earliest: u64::MAX }
    }
}

impl<T: Timed, A> Default for DeadlineTree<T, A>
where
    A: Adapter<LinkOps: RBTreeOps, PointerOps = DefaultPointerOps<Arc<T>>> + Default,
{
    /// An empty tree.
    fn default() -> Self {
        Self::new(A::default())
    }
}

impl<T: Timed, A> DeadlineTree<T, A>
where
    A: Adapter<LinkOps: RBTreeOps, PointerOps = DefaultPointerOps<Arc<T>>> + for<'entry> KeyAdapter<'entry, Key = Key>,
{
    /// The moment of the first entry; `u64::MAX` when there is none.
    #[must_use]
    #[inline(always)]
    pub const fn earliest(&self) -> u64 {
        self.earliest
    }

    /// Takes an entry in.
    pub fn insert(&mut self, entry: Arc<T>) {
        self.earliest = self.earliest.min(entry.key().0);
        self.tree.insert(entry);
    }

    /// Drops the first entry if it is due at `now`.
    #[inline(always)]
    pub fn pop_due(&mut self, now: u64) -> Option<Arc<T>> {
        if self.earliest > now { None } else { self.pop() }
    }

    #[inline(never)]
    fn pop(&mut self) -> Option<Arc<T>> {
        let entry = self.tree.front_mut().remove();
        self.find_earliest();
        entry
    }

    /// Takes the entry with this key out; `None` if there is none.
    pub fn remove(&mut self, key: Key) -> Option<Arc<T>> {
        let entry = self.tree.find_mut(&key).remove();
        self.find_earliest();
        entry
    }

    /// Takes out every entry that the condition holds for.
    pub fn take_matching(&mut self, condition: impl Fn(&T) -> bool, mut each: impl FnMut(Arc<T>)) {
        let mut cursor = self.tree.front_mut();
        while let Some(entry) = cursor.get() {
            if condition(entry) {
                cursor.remove().into_iter().for_each(&mut each);
            } else {
                cursor.move_next();
            }
        }
        self.find_earliest();
    }

    fn find_earliest(&mut self) {
        self.earliest = self.tree.front().get().map_or(u64::MAX, |entry| entry.key().0);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeSet;
    use std::vec::Vec;

    use intrusive_collections::{RBTreeAtomicLink, intrusive_adapter};
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug)]
    pub struct Entry {
        key: Key,
        link: RBTreeAtomicLink,
    }

    impl Entry {
        pub fn new(key: Key) -> Arc<Self> {
            Arc::new(Self { key, link: RBTreeAtomicLink::new() })
        }
    }

    intrusive_adapter!(pub EntryAdapter = Arc<Entry>: Entry { link => RBTreeAtomicLink });

    impl<'entry> KeyAdapter<'entry> for EntryAdapter {
        type Key = Key;

        fn get_key(&self, entry: &'entry Entry) -> Key {
            entry.key()
        }
    }

    impl Timed for Entry {
        fn key(&self) -> Key {
            self.key
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u64),
        Remove(usize),
        Pop(u64),
        TakeOdd,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0_u64..50).prop_map(Step::Insert),
            2 => any::<usize>().prop_map(Step::Remove),
            2 => (0_u64..60).prop_map(Step::Pop),
            1 => Just(Step::TakeOdd),
        ];
        proptest::collection::vec(step, 0..80)
    }

    proptest! {
        #[test]
        fn it_does_what_a_sorted_set_does(steps in steps()) {
            let mut tree = DeadlineTree::<Entry, EntryAdapter>::default();
            let mut model = BTreeSet::new();
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Insert(moment) => {
                        let key = (moment, number as u64);
                        model.insert(key);
                        tree.insert(Entry::new(key));
                    }
                    Step::Remove(which) => {
                        let key = model.iter().nth(which % model.len().max(1)).copied().unwrap_or((1, u64::MAX));
                        prop_assert_eq!(tree.remove(key).is_some(), model.remove(&key));
                    }
                    Step::Pop(now) => {
                        let due = model.first().copied().filter(|key| key.0 <= now);
                        due.map(|key| model.remove(&key));
                        prop_assert_eq!(tree.pop_due(now).map(|entry| entry.key), due);
                    }
                    Step::TakeOdd => {
                        let (odd, even): (BTreeSet<Key>, BTreeSet<Key>) = model.iter().partition(|key| key.0 % 2 == 1);
                        let mut taken = Vec::new();
                        tree.take_matching(|entry| entry.key.0 % 2 == 1, |entry| taken.push(entry.key));
                        prop_assert_eq!(taken, odd.into_iter().collect::<Vec<_>>());
                        model = even;
                    }
                }
                prop_assert_eq!(tree.earliest(), model.first().map_or(u64::MAX, |key| key.0));
            }
        }
    }
}
