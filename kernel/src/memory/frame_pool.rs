//! The frames that no CPU holds: untouched ranges and a list of freed frames.

use gatehouse_core::memory::layout::PAGE_SIZE;
use gatehouse_core::memory::{MemoryMap, PhysicalRange};
use heapless::Vec;

use super::direct_map;

/// Where a frame lies. Few things need the scarce zones, so ordinary allocations leave them alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zone {
    /// Below 1 MiB, where a starting CPU can execute in real mode.
    Low,
    /// From 1 MiB to 4 GiB: within reach of 32-bit code and of the boot tables.
    Below4G,
    /// From 4 GiB up.
    High,
}

impl Zone {
    const ALL: [Self; 3] = [Self::Low, Self::Below4G, Self::High];

    /// The zone of the frame at `address`.
    pub(super) const fn of(address: u64) -> Self {
        match address {
            0..0x10_0000 => Self::Low,
            0x10_0000..0x1_0000_0000 => Self::Below4G,
            _ => Self::High,
        }
    }

    /// The addresses of the zone.
    pub(super) const fn limits(self) -> PhysicalRange {
        match self {
            Self::Low => PhysicalRange { start: 0, end: 0x10_0000 },
            Self::Below4G => PhysicalRange { start: 0x10_0000, end: 0x1_0000_0000 },
            Self::High => PhysicalRange { start: 0x1_0000_0000, end: u64::MAX },
        }
    }
}

/// Freed frames, linked through their own first eight bytes.
#[derive(Debug)]
struct FreedList {
    /// Address of the first frame. 0 ends the list: that frame is never managed.
    first: u64,
}

/// Frames of all zones. The owner puts a lock around it.
#[derive(Debug)]
pub(super) struct FramePool {
    /// What was never handed out, page by page from the front. No pass over memory is needed to make them.
    untouched: Vec<PhysicalRange, { MemoryMap::MAXIMUM_REGIONS + Zone::ALL.len() + 1 }>,
    freed: [FreedList; Zone::ALL.len()],
    /// Free frames, by zone.
    free: [u64; Zone::ALL.len()],
}

impl FramePool {
    /// An empty pool.
    pub(super) const fn new() -> Self {
        Self {
            untouched: Vec::new(),
            freed: [const { FreedList { first: 0 } }; Zone::ALL.len()],
            free: [0; Zone::ALL.len()],
        }
    }

    /// Adds whole pages that nobody uses.
    ///
    /// # Safety
    /// Nobody uses them, and the direct map reaches them by the time they are freed or handed out.
    pub(super) unsafe fn add(&mut self, range: PhysicalRange) {
        for zone in Zone::ALL {
            let part = range.intersection(&zone.limits());
            if !part.is_empty() {
                let pushed = self.untouched.push(part);
                assert!(pushed.is_ok(), "more untouched ranges than a memory map has regions");
                self.free[zone as usize] += part.length() / PAGE_SIZE;
            }
        }
    }

    /// Frames in the pool.
    pub(super) fn free(&self) -> u64 {
        self.free.iter().sum()
    }

    /// Frames that [`Self::take_any`] can give.
    pub(super) const fn free_for_ordinary_use(&self) -> u64 {
        self.free[Zone::High as usize] + self.free[Zone::Below4G as usize]
    }

    /// One frame of `zone`; a freed one if there is one.
    pub(super) fn take(&mut self, zone: Zone) -> Option<u64> {
        let freed = &mut self.freed[zone as usize];
        let address = if freed.first == 0 {
            let range = self.untouched.iter_mut().find(|range| !range.is_empty() && Zone::of(range.start) == zone)?;
            let address = range.start;
            range.start += PAGE_SIZE;
            address
        } else {
            let address = freed.first;
            // SAFETY: the frame is in the list, so it is free and its first eight bytes are the link that `give_back`
            // wrote; frames are page-aligned.
            freed.first = unsafe { direct_map::pointer(address).cast::<u64>().read() };
            address
        };
        self.free[zone as usize] -= 1;
        Some(address)
    }

    /// One frame for ordinary use: high ones first.
    pub(super) fn take_any(&mut self) -> Option<u64> {
        self.take(Zone::High).or_else(|| self.take(Zone::Below4G))
    }

    /// `count` frames that lie together below 4 GiB, from the first untouched range that has them; the address of
    /// the first.
    pub(super) fn take_together(&mut self, count: u64) -> Option<u64> {
        let bytes = count.checked_mul(PAGE_SIZE)?;
        let fits = |range: &&mut PhysicalRange| Zone::of(range.start) == Zone::Below4G && range.length() >= bytes;
        let range = self.untouched.iter_mut().find(fits)?;
        let address = range.start;
        range.start += bytes;
        self.free[Zone::Below4G as usize] -= count;
        Some(address)
    }

    /// Puts a frame back.
    ///
    /// # Safety
    /// The frame came out of this pool and nobody uses it.
    pub(super) unsafe fn give_back(&mut self, address: u64) {
        let zone = Zone::of(address) as usize;
        let freed = &mut self.freed[zone];
        // SAFETY: nobody uses the frame, so its bytes are the pool's; frames are page-aligned.
        unsafe { direct_map::pointer(address).cast::<u64>().write(freed.first) };
        freed.first = address;
        self.free[zone] += 1;
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::collections::BTreeSet;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::{FramePool, PhysicalRange, Zone};
    use crate::memory::test_memory;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Take(Zone),
        TakeAny,
        TakeTogether(u64),
        GiveBack(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            prop_oneof![Just(Zone::Low), Just(Zone::Below4G), Just(Zone::High)].prop_map(Step::Take),
            Just(Step::TakeAny),
            (1_u64..4).prop_map(Step::TakeTogether),
            any::<usize>().prop_map(Step::GiveBack),
        ]
    }

    proptest! {
        /// Against a set of free frames: nothing is handed out twice, nothing is lost, zones are kept.
        #[test]
        fn behaves_like_a_set(steps in prop::collection::vec(step(), 0..200)) {
            let _guard = test_memory::frames();
            let [low, below, high] = test_memory::SPARE.map(|range| range.start);
            let ranges = [(low, 4), (below, 8), (below + 0xa000, 2), (high, 4)];
            let mut pool = FramePool::new();
            let mut free = BTreeSet::new();
            for (start, pages) in ranges {
                let end = start + pages * 4096;
                // SAFETY: the arena's spare frames, and tests run one at a time.
                unsafe { pool.add(PhysicalRange { start, end }) };
                free.extend((start..end).step_by(4096));
            }
            let mut taken = Vec::new();
            for step in steps {
                let got = match step {
                    Step::Take(zone) => {
                        let got = pool.take(zone);
                        prop_assert_eq!(got.is_some(), free.iter().any(|frame| Zone::of(*frame) == zone));
                        prop_assert!(got.is_none_or(|frame| Zone::of(frame) == zone));
                        got.into_iter().collect::<Vec<_>>()
                    }
                    Step::TakeAny => pool.take_any().into_iter().collect(),
                    Step::TakeTogether(count) => pool
                        .take_together(count)
                        .map(|first| (0..count).map(|index| first + index * 4096).collect())
                        .unwrap_or_default(),
                    Step::GiveBack(_) if taken.is_empty() => Vec::new(),
                    Step::GiveBack(which) => {
                        let frame = taken.swap_remove(which % taken.len());
                        // SAFETY: it was taken above.
                        unsafe { pool.give_back(frame) };
                        free.insert(frame);
                        Vec::new()
                    }
                };
                for frame in got {
                    prop_assert!(free.remove(&frame), "{:#x} was not free", frame);
                    taken.push(frame);
                }
                prop_assert_eq!(pool.free(), free.len() as u64);
            }
        }
    }
}
