//! Which parts of a range of virtual addresses are free.

use alloc::vec::Vec;

use crate::memory::fallible::{self, OutOfHeap};

/// Free pages of a fixed range, as ranges by rising address; neighbours are merged. First fit, so that the area stays
/// dense and its page tables are used again.
#[derive(Debug)]
pub(super) struct VirtualArea {
    /// Start and end of each free range.
    free: Vec<(u64, u64)>,
    /// How many ranges are taken. Between any two free ones there is one at least, so giving them all back never needs room
    /// for more than these and one.
    taken: usize,
}

impl VirtualArea {
    /// All of `start..end` is free; both page-aligned.
    pub(super) fn new(start: u64, end: u64) -> Result<Self, OutOfHeap> {
        let mut free = Vec::new();
        fallible::push(&mut free, (start, end))?;
        Ok(Self { free, taken: 0 })
    }

    /// Takes `length` bytes, a multiple of the page size and not 0; the address of the first, if there are so many.
    ///
    /// # Errors
    /// [`OutOfHeap`] if what is taken could not be given back.
    pub(super) fn take(&mut self, length: u64) -> Result<Option<u64>, OutOfHeap> {
        let Some(index) = self.free.iter().position(|(start, end)| end - start >= length) else { return Ok(None) };
        let most = self.taken + 2;
        let more = most.saturating_sub(self.free.len());
        fallible::reserve(&mut self.free, more)?;
        self.taken += 1;
        let (start, end) = &mut self.free[index];
        let address = *start;
        *start += length;
        if start == end {
            self.free.remove(index);
        }
        Ok(Some(address))
    }

    /// Puts back what [`Self::take`] gave.
    ///
    /// # Panics
    /// When part of it is free already.
    pub(super) fn give_back(&mut self, start: u64, length: u64) {
        let end = start + length;
        let index = self.free.partition_point(|(other, _)| *other < start);
        let behind = self.free.get(index).copied();
        let before = index.checked_sub(1).map(|before| self.free[before]);
        let overlaps = behind.is_some_and(|(other, _)| other < end) || before.is_some_and(|(_, other)| other > start);
        assert!(!overlaps, "virtual range {start:#x}..{end:#x} was freed twice");
        self.taken -= 1;
        match (before.is_some_and(|(_, other)| other == start), behind.is_some_and(|(other, _)| other == end)) {
            (true, true) => self.free[index - 1].1 = self.free.remove(index).1,
            (true, false) => self.free[index - 1].1 = end,
            (false, true) => self.free[index].0 = start,
            (false, false) => {
                #[expect(clippy::disallowed_methods, reason = "`take` has made room for it")]
                self.free.insert(index, (start, end));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::VirtualArea;

    proptest! {
        #[test]
        fn ranges_never_overlap_and_all_come_back(steps in prop::collection::vec((any::<bool>(), 1_u64..9), 0..100)) {
            const START: u64 = 0x1000;
            const END: u64 = 0x1000 * 33;
            let mut area = VirtualArea::new(START, END).unwrap();
            let mut taken: Vec<(u64, u64)> = Vec::new();
            for (take, number) in steps {
                if take {
                    let length = number * 0x1000;
                    if let Some(start) = area.take(length).unwrap() {
                        prop_assert!(start >= START && start + length <= END);
                        prop_assert!(taken.iter().all(|(other, size)| start + length <= *other || other + size <= start));
                        taken.push((start, length));
                    }
                } else if !taken.is_empty() {
                    let (start, length) = taken.swap_remove(number as usize % taken.len());
                    let room = area.free.capacity();
                    area.give_back(start, length);
                    prop_assert_eq!(area.free.capacity(), room, "giving back allocates");
                }
            }
            for (start, length) in taken {
                area.give_back(start, length);
            }
            prop_assert_eq!((area.free.as_slice(), area.taken), (&[(START, END)][..], 0));
        }
    }

    #[test]
    #[should_panic(expected = "freed twice")]
    fn double_frees_are_caught() {
        let mut area = VirtualArea::new(0x1000, 0x9000).unwrap();
        let start = area.take(0x2000).unwrap().unwrap();
        area.give_back(start, 0x2000);
        area.give_back(start, 0x1000);
    }
}
