//! Redirection entries and their bits.

use core::fmt;

use percpu::ApicId;
use x2apic::ioapic::{IrqFlags, IrqMode};

use crate::madt::{InterruptOverride, Polarity, TriggerMode};

const DESTINATION_SHIFT: u32 = 56;
/// The destination has 8 bits, and all ones mean every CPU.
const BROADCAST: u32 = 0xff;

/// The delivery mode's bits.
const FIXED: u64 = (IrqMode::Fixed as u64) << 8;

const fn bits(flags: IrqFlags) -> u64 {
    flags.bits() as u64
}

/// Where an input's interrupt goes: fixed delivery to one CPU by its id.
///
/// ```
/// use smp::ApicId;
/// use smp::io_apic::Redirection;
///
/// let line = Redirection::pci(0x24, ApicId::new(3));
/// assert_eq!(line.encode(), Ok(0x0300_0000_0000_a024));
/// assert!(Redirection::pci(0x24, ApicId::new(300)).encode().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redirection {
    /// The vector that it raises, `16..=254`.
    pub vector: u8,
    /// The CPU that it goes to, id `0..=254`. Higher ids take an interrupt-remapping unit.
    pub destination: ApicId,
    /// When the line is active; the bus's default is read as ISA's, high.
    pub polarity: Polarity,
    /// What raises the interrupt; the bus's default is read as ISA's, edge.
    pub trigger_mode: TriggerMode,
    /// Raises nothing for now.
    pub masked: bool,
}

/// Why a redirection has no bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedirectionError {
    /// Vectors below 16 are reserved, and 255 is for spurious interrupts.
    IllegalVector(u8),
    /// An I/O APIC reaches ids `0..=254`.
    IdTooLarge(ApicId),
}

impl fmt::Display for RedirectionError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IllegalVector(vector) => write!(formatter, "interrupt vector {vector} is reserved, use 16..=254"),
            Self::IdTooLarge(id) => write!(formatter, "an I/O APIC reaches APIC ids 0..=254, not {id}"),
        }
    }
}

impl core::error::Error for RedirectionError {}

impl Redirection {
    /// What an entry holds that raises nothing.
    pub(super) const MASKED_BITS: u64 = bits(IrqFlags::MASKED);
    /// In the lower half, read only: a level interrupt is not ended.
    pub(super) const REMOTE_IRR: u32 = IrqFlags::REMOTE_IRR.bits();

    /// An ISA interrupt, connected as [`Topology::isa_interrupt`](crate::madt::Topology::isa_interrupt) says;
    /// not masked.
    #[must_use]
    pub const fn isa(connection: &InterruptOverride, vector: u8, destination: ApicId) -> Self {
        let InterruptOverride { polarity, trigger_mode, .. } = *connection;
        Self { vector, destination, polarity, trigger_mode, masked: false }
    }

    /// A PCI interrupt line: level, active low; not masked.
    #[must_use]
    pub const fn pci(vector: u8, destination: ApicId) -> Self {
        let (polarity, trigger_mode) = (Polarity::ActiveLow, TriggerMode::Level);
        Self { vector, destination, polarity, trigger_mode, masked: false }
    }

    /// The whole 64-bit entry.
    ///
    /// # Errors
    /// When the vector or the destination is not one that an entry can express.
    pub const fn encode(&self) -> Result<u64, RedirectionError> {
        if matches!(self.vector, 0..16 | 255) {
            return Err(RedirectionError::IllegalVector(self.vector));
        }
        if self.destination.get() >= BROADCAST {
            return Err(RedirectionError::IdTooLarge(self.destination));
        }
        let polarity = match self.polarity {
            Polarity::BusDefault | Polarity::ActiveHigh => 0,
            Polarity::ActiveLow => bits(IrqFlags::LOW_ACTIVE),
        };
        let trigger_mode = match self.trigger_mode {
            TriggerMode::BusDefault | TriggerMode::Edge => 0,
            TriggerMode::Level => bits(IrqFlags::LEVEL_TRIGGERED),
        };
        let mask = if self.masked { bits(IrqFlags::MASKED) } else { 0 };
        let destination = (self.destination.get() as u64) << DESTINATION_SHIFT;
        Ok(destination | mask | trigger_mode | polarity | FIXED | self.vector as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDGE: Redirection = Redirection {
        vector: 0x24,
        destination: ApicId::new(3),
        polarity: Polarity::BusDefault,
        trigger_mode: TriggerMode::BusDefault,
        masked: false,
    };

    #[test]
    fn entries_have_the_bits_of_the_datasheet() {
        assert_eq!(EDGE.encode(), Ok(0x0300_0000_0000_0024));
        assert_eq!(Redirection { masked: true, ..EDGE }.encode(), Ok(0x0300_0000_0001_0024));
        assert_eq!(Redirection::pci(0x24, ApicId::new(254)).encode(), Ok(0xfe00_0000_0000_a024));
        assert_eq!(Redirection { trigger_mode: TriggerMode::Level, ..EDGE }.encode(), Ok(0x0300_0000_0000_8024));
        assert_eq!(Redirection { polarity: Polarity::ActiveLow, ..EDGE }.encode(), Ok(0x0300_0000_0000_2024));
    }

    #[test]
    fn an_override_decides_the_signal() {
        let connection = InterruptOverride {
            source: 9,
            interrupt: 9,
            polarity: Polarity::ActiveHigh,
            trigger_mode: TriggerMode::Level,
        };
        assert_eq!(Redirection::isa(&connection, 0x29, ApicId::new(0)).encode(), Ok(0x8029));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for vector in [0, 15, 255] {
            let refused = Redirection { vector, ..EDGE }.encode();
            assert_eq!(refused, Err(RedirectionError::IllegalVector(vector)));
        }
        for id in [255, 256, u32::MAX].map(ApicId::new) {
            assert_eq!(Redirection { destination: id, ..EDGE }.encode(), Err(RedirectionError::IdTooLarge(id)));
        }
    }
}
