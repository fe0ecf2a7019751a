//! The numbers of slots.

use core::num::NonZeroU32;

use super::Error;

/// The number of a slot, counted from 1. 0 is no slot ([`gatehouse_abi::SLOT_NONE`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(NonZeroU32);

impl Slot {
    /// The slot with this number, unless it is 0 or above `u32::MAX`.
    #[must_use]
    pub fn new(number: u64) -> Option<Self> {
        u32::try_from(number).ok().and_then(NonZeroU32::new).map(Self)
    }

    /// The slot's number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0.get() as u64
    }

    /// The place in a table whose first slot is 1.
    pub(super) const fn index(self) -> usize {
        self.0.get() as usize - 1
    }

    /// The slot at a place of a table.
    pub(super) fn from_index(index: usize) -> Option<Self> {
        Self::new(index as u64 + 1)
    }
}

impl TryFrom<u64> for Slot {
    type Error = Error;

    fn try_from(number: u64) -> Result<Self, Error> {
        Self::new(number).ok_or(Error::NoSuchSlot)
    }
}

/// Where in a space a capability is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Into the slot that was freed last; if none is free, into the lowest that was never used.
    AnyFree,
    /// Into this one. Lower slots that were never used come to be free.
    At(Slot),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_start_at_one_and_fit_32_bits() {
        assert_eq!(Slot::new(0), None);
        assert_eq!(Slot::new(1).map(Slot::index), Some(0));
        assert_eq!(Slot::new(u64::from(u32::MAX)).map(Slot::number), Some(u64::from(u32::MAX)));
        assert_eq!(Slot::new(1 << 32), None);
        assert_eq!(Slot::try_from((1 << 32) + 1), Err(Error::NoSuchSlot));
        assert_eq!(Slot::from_index(u32::MAX as usize), None);
    }
}
