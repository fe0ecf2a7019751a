//! A range of physical addresses.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use core::fmt;

use super::layout::PAGE_SIZE;

/// Physical bytes `start..end`; empty when both are equal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct PhysicalRange {
    /// First byte.
    pub start: u64,
    /// One past the last byte; not below `start`.
    pub end: u64,
}

impl PhysicalRange {
    /// `length` bytes from `start`; `None` if they wrap around the end of the address space.
    #[must_use]
    #[inline]
    pub const fn from_length(start: u64, length: u64) -> Option<Self> {
        match start.checked_add(length) {
            Some(end) => Some(Self { start, end }),
            None => None,
        }
    }

    /// Bytes in the range.
    #[must_use]
    #[inline]
    pub const fn length(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether no byte is in the range.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The largest range of whole pages inside; empty when there is none.
    #[must_use]
    #[inline]
    pub const fn pages_inside(&self) -> Self {
        let end = self.end & !(PAGE_SIZE - 1);
        match self.start.checked_next_multiple_of(PAGE_SIZE) {
            Some(start) if start < end => Self { start, end },
            _ => Self { start: end, end },
        }
    }

    /// The smallest range of whole pages around it. It ends at the last whole page of the address space at most.
    #[must_use]
    #[inline]
    pub const fn pages_around(&self) -> Self {
        let start = self.start & !(PAGE_SIZE - 1);
        match self.end.checked_next_multiple_of(PAGE_SIZE) {
            Some(end) => Self { start, end },
            None => Self { start, end: !(PAGE_SIZE - 1) },
        }
    }

    /// Whether the two share a byte.
    #[must_use]
    #[inline]
    pub const fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// What both have; empty when they share nothing.
    #[must_use]
    #[inline]
    pub fn intersection(&self, other: &Self) -> Self {
        let start = self.start.max(other.start);
        Self { start, end: self.end.min(other.end).max(start) }
    }

    /// Whether `address` is inside.
    #[must_use]
    #[inline]
    pub const fn contains(&self, address: u64) -> bool {
        self.start <= address && address < self.end
    }
}

impl fmt::Debug for PhysicalRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:#x}..{:#x}", self.start, self.end)
    }
}

impl fmt::Display for PhysicalRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use std::format;

    use proptest::prelude::*;

    use super::{PAGE_SIZE, PhysicalRange};

    const PAGES_END: u64 = !(PAGE_SIZE - 1);

    fn range(start: u64, end: u64) -> PhysicalRange {
        PhysicalRange { start, end }
    }

    /// Numbers near both ends of the address space, and some pages from 0.
    fn address() -> impl Strategy<Value = u64> {
        prop_oneof![0..4 * PAGE_SIZE, u64::MAX - 3 * PAGE_SIZE..=u64::MAX]
    }

    fn any_range() -> impl Strategy<Value = PhysicalRange> {
        (address(), address()).prop_map(|(one, other)| range(one.min(other), one.max(other)))
    }

    #[test]
    fn lengths_that_wrap_are_refused() {
        assert_eq!(PhysicalRange::from_length(5, u64::MAX - 5), Some(range(5, u64::MAX)));
        assert_eq!(PhysicalRange::from_length(6, u64::MAX - 5), None);
        assert_eq!(PhysicalRange::from_length(7, 0), Some(range(7, 7)));
        assert_eq!(format!("{} {:?}", range(16, 0x20), range(0, 1)), "0x10..0x20 0x0..0x1");
    }

    #[test]
    fn the_last_page_of_the_address_space_is_never_whole() {
        assert_eq!(range(1, u64::MAX).pages_inside(), range(PAGE_SIZE, PAGES_END));
        assert_eq!(range(1, u64::MAX).pages_around(), range(0, PAGES_END));
        assert!(range(u64::MAX - 1, u64::MAX).pages_inside().is_empty());
    }

    proptest! {
        #[test]
        fn pages_lie_inside_or_around_and_no_page_more(bytes in any_range()) {
            let (inside, around) = (bytes.pages_inside(), bytes.pages_around());
            for pages in [inside, around] {
                prop_assert!(pages.start % PAGE_SIZE == 0 && pages.end % PAGE_SIZE == 0 && pages.start <= pages.end);
                prop_assert_eq!(pages.is_empty(), pages.length() == 0);
            }
            prop_assert!(inside.is_empty() || bytes.start <= inside.start && inside.end <= bytes.end);
            if !inside.is_empty() {
                prop_assert!(inside.start - bytes.start < PAGE_SIZE && bytes.end - inside.end < PAGE_SIZE);
            }
            if bytes.end <= PAGES_END {
                prop_assert!(around.start <= bytes.start && bytes.end <= around.end);
                prop_assert!(bytes.start - around.start < PAGE_SIZE && around.end - bytes.end < PAGE_SIZE);
            }
        }

        #[test]
        fn what_two_ranges_share_is_what_both_contain(one in any_range(), other in any_range(), at in address()) {
            let shared = one.intersection(&other);
            prop_assert_eq!(shared.contains(at), one.contains(at) && other.contains(at));
            prop_assert_eq!(one.contains(at), one.start <= at && at < one.end);
            if !one.is_empty() && !other.is_empty() {
                prop_assert_eq!(one.overlaps(&other), !shared.is_empty());
                prop_assert_eq!(one.overlaps(&other), other.overlaps(&one));
            }
        }
    }
}
