//! Which parts of a range of virtual addresses are free.

use alloc::collections::BTreeMap;

/// Free pages of a fixed range, as ranges by rising address; neighbours are merged. First fit, so that the area stays
/// dense and its page tables are used again.
#[derive(Debug)]
pub(super) struct VirtualArea {
    /// Start to end of each free range.
    free: BTreeMap<u64, u64>,
}

impl VirtualArea {
    /// All of `start..end` is free; both page-aligned.
    pub(super) fn new(start: u64, end: u64) -> Self {
        Self { free: BTreeMap::from([(start, end)]) }
    }

    /// Takes `length` bytes, a multiple of the page size; the address of the first.
    pub(super) fn take(&mut self, length: u64) -> Option<u64> {
        let (&start, &end) = self.free.iter().find(|(start, end)| *end - *start >= length)?;
        self.free.remove(&start);
        if start + length < end {
            self.free.insert(start + length, end);
        }
        Some(start)
    }

    /// Puts back what [`Self::take`] gave.
    ///
    /// # Panics
    /// When part of it is free already.
    pub(super) fn give_back(&mut self, start: u64, length: u64) {
        let mut end = start + length;
        let mut merged = start;
        if let Some((&after, &after_end)) = self.free.range(start..).next() {
            assert!(after >= end, "virtual range {start:#x}..{end:#x} was freed twice");
            if after == end {
                self.free.remove(&after);
                end = after_end;
            }
        }
        if let Some((&before, &before_end)) = self.free.range(..start).next_back() {
            assert!(before_end <= start, "virtual range {start:#x}..{end:#x} was freed twice");
            if before_end == start {
                merged = before;
            }
        }
        self.free.insert(merged, end);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::VirtualArea;

    proptest! {
        #[test]
        fn ranges_never_overlap_and_all_come_back(steps in prop::collection::vec((any::<bool>(), 1_u64..9), 0..100)) {
            const START: u64 = 0x1000;
            const END: u64 = 0x1000 * 33;
            let mut area = VirtualArea::new(START, END);
            let mut taken: Vec<(u64, u64)> = Vec::new();
            for (take, number) in steps {
                if take {
                    let length = number * 0x1000;
                    if let Some(start) = area.take(length) {
                        prop_assert!(start >= START && start + length <= END);
                        prop_assert!(taken.iter().all(|(other, size)| start + length <= *other || other + size <= start));
                        taken.push((start, length));
                    }
                } else if !taken.is_empty() {
                    let (start, length) = taken.swap_remove(number as usize % taken.len());
                    area.give_back(start, length);
                }
            }
            for (start, length) in taken {
                area.give_back(start, length);
            }
            prop_assert_eq!(area.free.into_iter().collect::<Vec<_>>(), [(START, END)]);
        }
    }

    #[test]
    #[should_panic(expected = "freed twice")]
    fn double_frees_are_caught() {
        let mut area = VirtualArea::new(0x1000, 0x9000);
        let start = area.take(0x2000).unwrap();
        area.give_back(start, 0x2000);
        area.give_back(start, 0x1000);
    }
}
