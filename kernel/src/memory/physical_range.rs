//! A range of physical addresses.

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
    pub const fn from_length(start: u64, length: u64) -> Option<Self> {
        match start.checked_add(length) {
            Some(end) => Some(Self { start, end }),
            None => None,
        }
    }

    /// Bytes in the range.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.end - self.start
    }

    /// Whether no byte is in the range.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The largest range of whole pages inside; empty when there is none.
    #[must_use]
    pub const fn pages_inside(&self) -> Self {
        let end = self.end & !(PAGE_SIZE - 1);
        match self.start.checked_next_multiple_of(PAGE_SIZE) {
            Some(start) if start < end => Self { start, end },
            _ => Self { start: end, end },
        }
    }

    /// The smallest range of whole pages around it. It ends at the last whole page of the address space at most.
    #[must_use]
    pub const fn pages_around(&self) -> Self {
        let start = self.start & !(PAGE_SIZE - 1);
        match self.end.checked_next_multiple_of(PAGE_SIZE) {
            Some(end) => Self { start, end },
            None => Self { start, end: !(PAGE_SIZE - 1) },
        }
    }

    /// Whether the two share a byte.
    #[must_use]
    pub const fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// What both have; empty when they share nothing.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let start = self.start.max(other.start);
        Self { start, end: self.end.min(other.end).max(start) }
    }

    /// Whether `address` is inside.
    #[must_use]
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
