//! A set of CPUs.

use alloc::collections::TryReserveError;
use alloc::vec::Vec;
use core::fmt;

use percpu::CpuIndex;

const WORD_BITS: usize = u64::BITS as usize;

/// A set of CPUs: a bitmap over their dense indices that grows with the highest member, so that no
/// number of CPUs is built in.
///
/// Own code, since a kernel must be able to refuse where there is no memory, and the set of `fixedbitset` (0.5.9) grows or
/// panics, and compares lengths.
///
/// ```
/// use smp::{CpuIndex, CpuSet};
///
/// let all = CpuSet::first(70);
/// let some: CpuSet = [3, 69].map(CpuIndex::new).into_iter().collect();
/// assert_eq!(all.difference(&some).len(), 68);
/// assert_eq!(all.union(&some), all);
/// assert!(some.contains(CpuIndex::new(69)));
/// ```
///
/// Two sets are equal when they have the same members, however far each has grown.
#[derive(Clone, Default)]
pub struct CpuSet {
    words: Vec<u64>,
}

impl CpuSet {
    /// The empty set. Allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { words: Vec::new() }
    }

    /// The set of the CPUs `0..count`.
    #[must_use]
    pub fn first(count: u32) -> Self {
        (0..count).map(CpuIndex::new).collect()
    }

    /// Makes room for the CPUs `0..count`: to add one of them allocates nothing then.
    ///
    /// # Errors
    /// [`TryReserveError`] if there is no memory.
    pub fn try_reserve(&mut self, count: u32) -> Result<(), TryReserveError> {
        let words = (count as usize).div_ceil(WORD_BITS);
        self.words.try_reserve_exact(words.saturating_sub(self.words.len()))
    }

    /// Adds a CPU; tells whether it is new in the set. Allocates when the index is higher than any before.
    pub fn insert(&mut self, cpu: CpuIndex) -> bool {
        let (word, bit) = position(cpu);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let added = self.words[word] & bit == 0;
        self.words[word] |= bit;
        added
    }

    /// Takes a CPU out; tells whether it was in the set.
    pub fn remove(&mut self, cpu: CpuIndex) -> bool {
        let (word, bit) = position(cpu);
        let Some(word) = self.words.get_mut(word) else { return false };
        let removed = *word & bit != 0;
        *word &= !bit;
        removed
    }

    /// Tells whether a CPU is in the set.
    #[must_use]
    pub fn contains(&self, cpu: CpuIndex) -> bool {
        let (word, bit) = position(cpu);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// The number of members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Tells whether the set has no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Takes every CPU out and keeps the memory.
    pub fn clear(&mut self) {
        self.words.clear();
    }

    /// The members, lowest index first.
    pub fn iter(&self) -> impl Iterator<Item = CpuIndex> + '_ {
        self.words.iter().enumerate().flat_map(|(index, &word)| {
            let mut rest = word;
            core::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros())?;
                rest &= rest - 1;
                Some(CpuIndex::new((index * WORD_BITS) as u32 + bit))
            })
        })
    }

    /// The CPUs that are in this set, in the other, or in both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let (mut long, short) =
            if self.words.len() >= other.words.len() { (self.clone(), other) } else { (other.clone(), self) };
        for (word, more) in long.words.iter_mut().zip(&short.words) {
            *word |= more;
        }
        long
    }

    /// The CPUs that are in this set and not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut rest = self.clone();
        for (word, less) in rest.words.iter_mut().zip(&other.words) {
            *word &= !less;
        }
        rest
    }
}

/// The word that holds a CPU's bit, and the bit.
fn position(cpu: CpuIndex) -> (usize, u64) {
    (cpu.as_usize() / WORD_BITS, 1 << (cpu.as_usize() % WORD_BITS))
}

impl PartialEq for CpuSet {
    fn eq(&self, other: &Self) -> bool {
        let common = self.words.len().min(other.words.len());
        let (here, there) = (self.words.split_at(common), other.words.split_at(common));
        here.0 == there.0 && here.1.iter().chain(there.1).all(|word| *word == 0)
    }
}

impl Eq for CpuSet {}

impl fmt::Debug for CpuSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.iter().map(CpuIndex::get)).finish()
    }
}

impl Extend<CpuIndex> for CpuSet {
    fn extend<I: IntoIterator<Item = CpuIndex>>(&mut self, cpus: I) {
        for cpu in cpus {
            self.insert(cpu);
        }
    }
}

impl FromIterator<CpuIndex> for CpuSet {
    fn from_iter<I: IntoIterator<Item = CpuIndex>>(cpus: I) -> Self {
        let mut set = Self::new();
        set.extend(cpus);
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::format;

    use proptest::prelude::*;

    use super::*;

    fn set(members: &[u32]) -> CpuSet {
        members.iter().copied().map(CpuIndex::new).collect()
    }

    #[test]
    fn grows_to_the_highest_member_only() {
        let mut cpus = CpuSet::new();
        assert!(cpus.is_empty());
        assert!(cpus.insert(CpuIndex::new(4095)));
        assert!(!cpus.insert(CpuIndex::new(4095)));
        assert_eq!(cpus.words.len(), 64);
        assert!(!cpus.remove(CpuIndex::new(1 << 20)));
        assert!(!cpus.contains(CpuIndex::new(u32::MAX)));
        assert_eq!(cpus.words.len(), 64);
    }

    #[test]
    fn equality_is_by_members() {
        let mut grown = set(&[1, 500]);
        grown.remove(CpuIndex::new(500));
        assert_eq!(grown, set(&[1]));
        assert_eq!(set(&[1]), grown);
        assert_ne!(grown, set(&[1, 500]));
        assert_eq!(format!("{grown:?}"), "{1}");
    }

    #[test]
    fn first_has_exactly_the_count() {
        assert_eq!(CpuSet::first(0), CpuSet::new());
        assert_eq!(CpuSet::first(65).iter().map(CpuIndex::get).collect::<Vec<_>>(), (0..65).collect::<Vec<_>>());
    }

    #[test]
    fn a_cleared_set_has_no_member_and_keeps_its_memory() {
        let mut cpus = set(&[1, 64, 200]);
        let room = cpus.words.capacity();
        cpus.clear();
        assert!(cpus.is_empty() && !cpus.contains(CpuIndex::new(64)));
        assert_eq!(cpus.len(), 0);
        assert_eq!((cpus.iter().count(), cpus.words.capacity()), (0, room));
        cpus.insert(CpuIndex::new(200));
        assert_eq!(cpus, set(&[200]), "what was there comes back");
    }

    #[test]
    fn sets_of_unequal_length_differ_by_their_longer_part() {
        assert_ne!(set(&[1]), set(&[1, 64]));
        assert_ne!(set(&[1, 64]), set(&[1]));
        assert_ne!(CpuSet::new(), set(&[500]));
        assert_ne!(set(&[64]), set(&[65]));
    }

    #[test]
    fn reserved_room_is_enough_for_all_that_it_is_for() {
        for count in [0, 1, 64, 65, 300] {
            let mut cpus = set(&[0]);
            cpus.try_reserve(count).unwrap();
            let room = cpus.words.capacity();
            assert!(room * WORD_BITS >= count as usize);
            cpus.extend((0..count).map(CpuIndex::new));
            assert_eq!(cpus.words.capacity(), room, "grown beyond what was reserved for {count}");
        }
    }

    /// What can be done to a set.
    #[derive(Clone, Copy, Debug)]
    enum Change {
        Insert(u32),
        Remove(u32),
        Clear,
        Reserve(u32),
    }

    fn change() -> impl Strategy<Value = Change> {
        let cpu = 0_u32..300;
        prop_oneof![
            6 => cpu.clone().prop_map(Change::Insert),
            4 => cpu.clone().prop_map(Change::Remove),
            1 => Just(Change::Clear),
            1 => cpu.prop_map(Change::Reserve),
        ]
    }

    /// Makes the changes to both; each answers the same at every step.
    fn changed(changes: &[Change]) -> (CpuSet, BTreeSet<u32>) {
        let (mut cpus, mut model) = (CpuSet::new(), BTreeSet::new());
        for change in changes {
            match *change {
                Change::Insert(cpu) => assert_eq!(cpus.insert(CpuIndex::new(cpu)), model.insert(cpu)),
                Change::Remove(cpu) => assert_eq!(cpus.remove(CpuIndex::new(cpu)), model.remove(&cpu)),
                Change::Clear => {
                    cpus.clear();
                    model.clear();
                }
                Change::Reserve(count) => cpus.try_reserve(count).unwrap(),
            }
            assert_eq!((cpus.len(), cpus.is_empty()), (model.len(), model.is_empty()));
        }
        (cpus, model)
    }

    proptest! {
        #[test]
        fn is_an_ordered_set_whatever_is_done_to_it(
            left in prop::collection::vec(change(), 0..60),
            right in prop::collection::vec(change(), 0..60),
        ) {
            let ((a, left), (b, right)) = (changed(&left), changed(&right));
            let numbers = |cpus: &CpuSet| cpus.iter().map(CpuIndex::get).collect::<Vec<_>>();
            let expected = |numbers: BTreeSet<u32>| numbers.into_iter().collect::<Vec<_>>();
            prop_assert_eq!(numbers(&a), expected(left.clone()));
            prop_assert_eq!(numbers(&a.union(&b)), expected(&left | &right));
            prop_assert_eq!(numbers(&a.difference(&b)), expected(&left - &right));
            prop_assert_eq!(a == b, left == right);
            prop_assert_eq!(b == a, left == right);
            // However far either has grown.
            prop_assert!(a == set(&expected(left.clone())) && set(&expected(left)) == a);
        }

        #[test]
        fn behaves_like_an_ordered_set(
            left in prop::collection::btree_set(0_u32..300, 0..40),
            right in prop::collection::btree_set(0_u32..300, 0..40),
        ) {
            let numbers = |cpus: &CpuSet| cpus.iter().map(CpuIndex::get).collect::<BTreeSet<_>>();
            let a = set(&left.iter().copied().collect::<Vec<_>>());
            let b = set(&right.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(numbers(&a), left.clone());
            prop_assert_eq!(a.len(), left.len());
            prop_assert_eq!(numbers(&a.union(&b)), &left | &right);
            prop_assert_eq!(numbers(&a.difference(&b)), &left - &right);
            prop_assert_eq!(a.union(&b), b.union(&a));
            for cpu in 0..310 {
                prop_assert_eq!(a.contains(CpuIndex::new(cpu)), left.contains(&cpu));
            }
        }
    }
}
