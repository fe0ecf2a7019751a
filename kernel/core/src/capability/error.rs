//! Why an operation on capabilities is refused.

use core::fmt;

/// A refused operation. It changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The slot is empty or beyond the space's quota, or the binding is gone.
    NoSuchSlot,
    /// The slot that was asked for holds a capability.
    SlotInUse,
    /// Every slot of the space's quota is in use.
    Full,
    /// The capability lacks the right.
    NotPermitted,
    /// The capability has a badge already, and another one was asked for.
    BadgeFixed,
    /// No memory is left, or the object cannot be shared once more.
    Exhausted,
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NoSuchSlot => "the capability slot is empty or does not exist",
            Self::SlotInUse => "the capability slot is in use",
            Self::Full => "the capability space is full",
            Self::NotPermitted => "the capability lacks the right",
            Self::BadgeFixed => "the capability's badge is fixed",
            Self::Exhausted => "no memory is left for another capability, or its object is shared too often",
        })
    }
}

impl core::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::Error;

    #[test]
    fn each_refusal_has_words_of_its_own() {
        let all = [
            Error::NoSuchSlot,
            Error::SlotInUse,
            Error::Full,
            Error::NotPermitted,
            Error::BadgeFixed,
            Error::Exhausted,
        ];
        let mut texts = all.map(|error| error.to_string());
        texts.sort_unstable();
        assert!(texts.is_sorted_by(|one, next| one < next) && !texts[0].is_empty(), "{texts:?}");
        assert_eq!(Error::Full.to_string(), "the capability space is full");
    }
}
