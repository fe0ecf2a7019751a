//! Vectors that a local APIC can raise.

/// An interrupt vector, `16..=255`: those below are reserved, and a local APIC that is told to raise one reports an error
/// instead. Source: Intel SDM volume 3A, "Valid Interrupt Vectors".
///
/// ```
/// use smp::local_apic::Vector;
///
/// const TIMER: Vector = Vector::new(0x40).unwrap();
/// assert_eq!(TIMER.get(), 0x40);
/// assert!(Vector::new(15).is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vector(u8);

impl Vector {
    /// The vector with this number; nothing for `0..=15`.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number < 16 { None } else { Some(Self(number)) }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}
