//! What a capability allows.

use core::ops::BitAnd;

use gatehouse_abi::rights;

/// A set of rights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Rights(u64);

impl Rights {
    /// No right at all.
    pub const NONE: Self = Self(0);
    /// Send to the endpoint; signal the notification.
    pub const SEND: Self = Self(rights::SEND);
    /// Receive from the endpoint; wait for the notification.
    pub const RECEIVE: Self = Self(rights::RECEIVE);
    /// Copy or move the capability to other spaces.
    pub const GRANT: Self = Self(rights::GRANT);
    /// Read the object.
    pub const READ: Self = Self(rights::READ);
    /// Write the object.
    pub const WRITE: Self = Self(rights::WRITE);
    /// Start, stop and end; bind fault handlers.
    pub const CONTROL: Self = Self(rights::CONTROL);
    /// All of them.
    pub const ALL: Self = Self(rights::ALL);

    /// The set with these bits of [`gatehouse_abi::rights`], or nothing if a bit has no meaning.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Option<Self> {
        if bits & !rights::ALL == 0 { Some(Self(bits)) } else { None }
    }

    /// The bits of [`gatehouse_abi::rights`].
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether every right of `other` is in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The rights that are in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The rights that are in either set: for combining the constants.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Rights {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        self.intersection(other)
    }
}

#[cfg(test)]
mod tests {
    use super::Rights;

    #[test]
    fn unknown_bits_are_refused() {
        assert_eq!(Rights::from_bits(Rights::ALL.bits()), Some(Rights::ALL));
        assert_eq!(Rights::from_bits(0), Some(Rights::NONE));
        assert_eq!(Rights::from_bits(Rights::ALL.bits() + 1), None);
        assert_eq!(Rights::from_bits(u64::MAX), None);
    }

    #[test]
    fn intersections_only_shrink() {
        for first in 0..=Rights::ALL.bits() {
            for second in 0..=Rights::ALL.bits() {
                let both = Rights(first) & Rights(second);
                assert!(Rights(first).contains(both) && Rights(second).contains(both));
                assert_eq!(both.bits(), first & second);
            }
        }
        assert!(!Rights::SEND.contains(Rights::SEND.with(Rights::GRANT)));
    }
}
