//! Addresses that a program may name.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use super::layout::{PAGE_SIZE, USER_END, USER_START};

/// Bytes that lie in the user half as a whole; may be empty. Says nothing about what is mapped there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserRange {
    start: u64,
    end: u64,
}

impl UserRange {
    /// `length` bytes from `start`; `None` if any of them is outside [`USER_START`]`..`[`USER_END`]. Any values are allowed.
    #[must_use]
    #[inline]
    pub const fn new(start: u64, length: u64) -> Option<Self> {
        match start.checked_add(length) {
            Some(end) if start >= USER_START && end <= USER_END => Some(Self { start, end }),
            _ => None,
        }
    }

    /// First address.
    #[must_use]
    #[inline]
    pub const fn start(&self) -> u64 {
        self.start
    }

    /// One past the last address.
    #[must_use]
    #[inline]
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// Bytes.
    #[must_use]
    #[inline]
    pub const fn length(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether it has no byte.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The address of each page that the range touches.
    #[inline]
    pub fn pages(&self) -> impl Iterator<Item = u64> + use<> {
        let first = self.start & !(PAGE_SIZE - 1);
        let end = if self.is_empty() { first } else { self.end };
        (first..end).step_by(PAGE_SIZE as usize)
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::{PAGE_SIZE, USER_END, USER_START, UserRange};

    #[test]
    fn only_the_user_half_passes() {
        for (start, length, allowed) in [
            (0, 1, false),
            (PAGE_SIZE, PAGE_SIZE, false),
            (USER_START - 1, 1, false),
            (USER_START, 0, true),
            (USER_START, USER_END - USER_START, true),
            (USER_START, USER_END - USER_START + 1, false),
            (USER_END, 0, true),
            (USER_END - 1, 2, false),
            (0x8000_0000_0000, 1, false),
            (0xffff_8000_0000_0000, 8, false),
            (u64::MAX, 1, false),
            (USER_START, u64::MAX, false),
        ] {
            assert_eq!(UserRange::new(start, length).is_some(), allowed, "{start:#x} {length:#x}");
        }
    }

    #[test]
    fn pages_cover_the_range() {
        let pages = |start, length| UserRange::new(start, length).unwrap().pages().collect::<Vec<_>>();
        assert_eq!(pages(0x1_1fff, 2), [0x1_1000, 0x1_2000]);
        assert_eq!(pages(0x1_1000, 0x1000), [0x1_1000]);
        assert!(pages(0x1_1800, 0).is_empty());
    }

    proptest! {
        #[test]
        fn each_byte_is_on_one_of_the_pages(start in USER_START..USER_START + 0x4000, length in 0..0x4000_u64) {
            let range = UserRange::new(start, length).unwrap();
            prop_assert_eq!((range.start(), range.end(), range.length()), (start, start + length, length));
            prop_assert_eq!(range.is_empty(), length == 0);
            let pages = range.pages().collect::<Vec<_>>();
            prop_assert!(pages.iter().all(|page| page % PAGE_SIZE == 0 && *page < range.end() && page + PAGE_SIZE > start));
            let mut touched = (start..range.end()).map(|byte| byte & !(PAGE_SIZE - 1));
            prop_assert!(touched.all(|page| pages.contains(&page)));
            prop_assert!(pages.is_sorted() && pages.len() as u64 <= length / PAGE_SIZE + 2);
        }
    }
}
