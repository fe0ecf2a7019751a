//! The map of physical memory, whatever form the firmware gave it.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use core::fmt;

use heapless::Vec;

use super::PhysicalRange;
use super::layout::DIRECT_MAP_SIZE;

/// What a range of physical memory is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryKind {
    /// RAM that is free to use.
    Usable,
    /// Not to be touched, or not RAM.
    Reserved,
    /// ACPI tables; RAM once they are read (the kernel keeps them).
    AcpiTables,
    /// Memory that the firmware needs across sleep states.
    AcpiNonVolatile,
    /// RAM with errors.
    Defective,
    /// RAM that holds what the loader left: usable as soon as nothing of it is needed any more.
    Loader,
    /// The kernel's image.
    Image,
    /// The boot archive.
    Archive,
}

impl MemoryKind {
    /// Whether the range is RAM or holds tables: something that the direct map covers.
    #[must_use]
    pub const fn is_memory(self) -> bool {
        !matches!(self, Self::Reserved | Self::Defective)
    }
}

/// Physical pages of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryRegion {
    /// Whole pages; not empty.
    pub range: PhysicalRange,
    /// What they are.
    pub kind: MemoryKind,
}

/// The map is not usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryMapError {
    /// More regions than [`MemoryMap::MAXIMUM_REGIONS`], neighbours of one kind merged.
    TooManyRegions,
    /// An entry's address and length wrap around.
    Wraps {
        /// Start of the entry.
        start: u64,
        /// Its length in bytes.
        length: u64,
    },
}

impl fmt::Display for MemoryMapError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyRegions => {
                write!(formatter, "the memory map has more than {} regions", MemoryMap::MAXIMUM_REGIONS)
            }
            Self::Wraps { start, length } => {
                write!(formatter, "the memory map's entry at {start:#x} has an impossible length of {length:#x} bytes")
            }
        }
    }
}

impl core::error::Error for MemoryMapError {}

/// Regions by rising address: whole pages, none overlap, neighbours of one kind are merged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryMap {
    regions: Vec<MemoryRegion, { Self::MAXIMUM_REGIONS }>,
}

impl MemoryMap {
    /// The most regions that the map holds.
    pub const MAXIMUM_REGIONS: usize = 256;

    /// Firmware and option ROMs of some machines write below this after the kernel runs, although they report it
    /// usable. The page at address 0 is among it.
    pub const FIRMWARE_WRITES_BELOW: u64 = 0x1_0000;

    /// Makes a map of a loader's entries `(start, length in bytes, kind)`, in any order and overlapping as they
    /// may be. Where entries overlap the one that is not usable wins: usable ranges shrink to whole
    /// pages and others grow.
    ///
    /// # Errors
    /// [`MemoryMapError`].
    pub fn from_entries(entries: impl Iterator<Item = (u64, u64, MemoryKind)> + Clone) -> Result<Self, MemoryMapError> {
        let mut map = Self::default();
        for (start, length, kind) in entries.clone() {
            let range = PhysicalRange::from_length(start, length).ok_or(MemoryMapError::Wraps { start, length })?;
            if kind == MemoryKind::Usable {
                map.set(range.pages_inside(), kind)?;
            }
        }
        for (start, length, kind) in entries {
            let range = PhysicalRange::from_length(start, length).ok_or(MemoryMapError::Wraps { start, length })?;
            if kind != MemoryKind::Usable && !range.is_empty() {
                map.set(range.pages_around(), kind)?;
            }
        }
        map.set(PhysicalRange { start: 0, end: Self::FIRMWARE_WRITES_BELOW }, MemoryKind::Reserved)?;
        if map.regions.last().is_some_and(|last| last.range.end > DIRECT_MAP_SIZE) {
            let start = DIRECT_MAP_SIZE;
            map.set(
                PhysicalRange { start, end: map.regions.last().map_or(start, |last| last.range.end) },
                MemoryKind::Reserved,
            )?;
        }
        Ok(map)
    }

    /// Makes `range`, whole pages, one region of `kind`, whatever it was.
    ///
    /// # Errors
    /// [`MemoryMapError::TooManyRegions`]; the map is then incomplete.
    ///
    /// # Panics
    /// When `range` is not made of whole pages.
    pub fn set(&mut self, range: PhysicalRange, kind: MemoryKind) -> Result<(), MemoryMapError> {
        assert_eq!(range, range.pages_around(), "a region of whole pages");
        if range.is_empty() {
            return Ok(());
        }
        let mut merged = range;
        let mut index = 0;
        while index < self.regions.len() {
            let region = self.regions[index];
            let touches = region.range.start <= merged.end && merged.start <= region.range.end;
            if region.kind == kind && touches {
                merged.start = merged.start.min(region.range.start);
                merged.end = merged.end.max(region.range.end);
                self.regions.remove(index);
                continue;
            }
            if region.range.overlaps(&range) {
                self.regions.remove(index);
                let before = PhysicalRange { start: region.range.start, end: range.start.max(region.range.start) };
                let after = PhysicalRange { start: range.end.min(region.range.end), end: region.range.end };
                for rest in [before, after] {
                    if !rest.is_empty() {
                        self.insert(index, MemoryRegion { range: rest, kind: region.kind })?;
                        index = index.saturating_add(1);
                    }
                }
                continue;
            }
            index = index.saturating_add(1);
        }
        let place = self.regions.partition_point(|region| region.range.start < merged.start);
        self.insert(place, MemoryRegion { range: merged, kind })
    }

    fn insert(&mut self, index: usize, region: MemoryRegion) -> Result<(), MemoryMapError> {
        self.regions.insert(index, region).map_err(|_| MemoryMapError::TooManyRegions)
    }

    /// All regions by rising address.
    #[must_use]
    pub fn regions(&self) -> &[MemoryRegion] {
        &self.regions
    }

    /// The ranges of one kind by rising address.
    pub fn regions_of(&self, kind: MemoryKind) -> impl Iterator<Item = PhysicalRange> + Clone {
        self.regions.iter().filter(move |region| region.kind == kind).map(|region| region.range)
    }

    /// Bytes of one kind.
    #[must_use]
    pub fn bytes_of(&self, kind: MemoryKind) -> u64 {
        self.regions_of(kind).map(|range| range.length()).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use crate::memory::layout::{DIRECT_MAP_SIZE, PAGE_SIZE};
    use proptest::prelude::*;

    use super::{MemoryKind, MemoryMap, MemoryMapError, PhysicalRange};

    fn kind() -> impl Strategy<Value = MemoryKind> {
        prop_oneof![
            3 => Just(MemoryKind::Usable),
            1 => Just(MemoryKind::Reserved),
            1 => Just(MemoryKind::AcpiTables),
            1 => Just(MemoryKind::Archive)
        ]
    }

    fn assert_tidy(map: &MemoryMap) {
        for region in map.regions() {
            assert!(!region.range.is_empty());
            assert_eq!(region.range, region.range.pages_around());
        }
        for pair in map.regions().windows(2) {
            assert!(pair[0].range.end <= pair[1].range.start, "{pair:?}");
            assert!(pair[0].range.end < pair[1].range.start || pair[0].kind != pair[1].kind, "{pair:?}");
        }
    }

    proptest! {
        /// `set` against an array with one slot a page.
        #[test]
        fn set_behaves_like_painting_pages(
            strokes in prop::collection::vec((0_u64..64, 0_u64..64, kind()), 0..40)
        ) {
            let mut map = MemoryMap::default();
            let mut pages = [None; 64];
            for (one, other, kind) in strokes {
                let (from, to) = (one.min(other), one.max(other));
                map.set(PhysicalRange { start: from * PAGE_SIZE, end: to * PAGE_SIZE }, kind).unwrap();
                pages[from as usize..to as usize].fill(Some(kind));
                assert_tidy(&map);
            }
            for (number, expected) in pages.into_iter().enumerate() {
                let address = number as u64 * PAGE_SIZE;
                let seen = map.regions().iter().find(|region| region.range.contains(address)).map(|region| region.kind);
                prop_assert_eq!(seen, expected);
            }
        }

        /// No byte that any entry calls reserved is ever usable.
        #[test]
        fn reserved_bytes_are_never_usable(
            entries in prop::collection::vec((0_u64..1 << 20, 0_u64..1 << 18, kind()), 0..40)
        ) {
            let map = MemoryMap::from_entries(entries.iter().copied()).unwrap();
            assert_tidy(&map);
            for usable in map.regions_of(MemoryKind::Usable) {
                prop_assert!(usable.start >= MemoryMap::FIRMWARE_WRITES_BELOW);
                for (start, length, kind) in &entries {
                    let range = PhysicalRange { start: *start, end: start + length };
                    prop_assert!(*kind == MemoryKind::Usable || range.is_empty() || !usable.overlaps(&range));
                }
            }
        }
    }

    #[test]
    fn impossible_maps_are_refused() {
        let wraps = [(u64::MAX - 10, 20, MemoryKind::Usable)];
        assert_eq!(
            MemoryMap::from_entries(wraps.into_iter()),
            Err(MemoryMapError::Wraps { start: u64::MAX - 10, length: 20 })
        );
        let comb: Vec<_> = (0..2000).map(|tooth| (tooth * 2 * PAGE_SIZE, PAGE_SIZE, MemoryKind::Usable)).collect();
        assert_eq!(MemoryMap::from_entries(comb.into_iter()), Err(MemoryMapError::TooManyRegions));
    }

    #[test]
    fn memory_beyond_the_direct_map_is_left_alone() {
        let map =
            MemoryMap::from_entries([(DIRECT_MAP_SIZE - PAGE_SIZE, 2 * PAGE_SIZE, MemoryKind::Usable)].into_iter());
        assert_eq!(map.unwrap().bytes_of(MemoryKind::Usable), PAGE_SIZE);
    }

    #[test]
    fn a_pc_map_comes_out_sorted() {
        let entries = [
            (0x10_0000, 0x1fed_e000, MemoryKind::Usable),
            (0, 0x9_fc00, MemoryKind::Usable),
            (0x9_fc00, 0x400, MemoryKind::Reserved),
            (0xf_0000, 0x1_0000, MemoryKind::Reserved),
            (0x1ffd_e000, 0x2_2000, MemoryKind::Reserved),
        ];
        let map = MemoryMap::from_entries(entries.into_iter()).unwrap();
        let usable: Vec<_> = map.regions_of(MemoryKind::Usable).collect();
        assert_eq!(
            usable,
            [PhysicalRange { start: 0x1_0000, end: 0x9_f000 }, PhysicalRange { start: 0x10_0000, end: 0x1ffd_e000 }]
        );
    }
}
