//! What the two interrupt pins of a local APIC raise.

use super::driver::LVT_MASKED;
use crate::madt::{NmiPin, NmiProcessor, Polarity, Topology};

/// Local vector table: delivery mode NMI, unmasked. The vector is ignored, and so is the trigger mode: it is always edge. Source:
/// Intel SDM volume 3A, "Local Vector Table".
const LVT_NMI: u32 = 0b100 << 8;
/// Local vector table: the pin is active when low.
const LVT_ACTIVE_LOW: u32 = 1 << 13;

/// What a pin raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pin {
    /// Nothing.
    Masked,
    /// A non-maskable interrupt, when the line becomes active; the bus's default is read as high.
    Nmi(Polarity),
}

impl Pin {
    pub(super) const fn bits(self) -> u32 {
        match self {
            Self::Masked => LVT_MASKED,
            Self::Nmi(Polarity::ActiveLow) => LVT_NMI | LVT_ACTIVE_LOW,
            Self::Nmi(Polarity::BusDefault | Polarity::ActiveHigh) => LVT_NMI,
        }
    }
}

/// What the pins LINT0 and LINT1 of a CPU raise.
///
/// ```
/// use smp::local_apic::{Pin, Pins};
/// use smp::madt::{Polarity, Topology};
///
/// // Firmware that tells nothing.
/// assert_eq!(Topology::default().pins(Some(0)), Pins::STANDARD);
/// assert_eq!(Pins::STANDARD.lint1, Pin::Nmi(Polarity::BusDefault));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pins {
    /// Legacy interrupts come in here on machines without I/O APIC.
    pub lint0: Pin,
    /// The NMI line, as a rule.
    pub lint1: Pin,
}

impl Pins {
    /// LINT0 masked, since interrupts come through I/O APICs; LINT1 raises an NMI, so that the external NMI reaches every CPU.
    pub const STANDARD: Self = Self { lint0: Pin::Masked, lint1: Pin::Nmi(Polarity::BusDefault) };
}

impl Topology {
    /// What the pins of a CPU, known by its [`ListedCpu::processor_uid`](crate::madt::ListedCpu::processor_uid), raise: an NMI where
    /// the table says that the line is, and nothing elsewhere. [`Pins::STANDARD`] for a CPU of which the table says nothing.
    #[must_use]
    pub fn pins(&self, processor_uid: Option<u32>) -> Pins {
        let is_of_it = |pin: &&NmiPin| match pin.processor {
            NmiProcessor::All => true,
            NmiProcessor::Uid(uid) => Some(uid) == processor_uid,
        };
        let mut told = self.nmi_pins.iter().filter(is_of_it).peekable();
        if told.peek().is_none() {
            return Pins::STANDARD;
        }
        told.fold(Pins { lint0: Pin::Masked, lint1: Pin::Masked }, |pins, told| match told.pin {
            0 => Pins { lint0: Pin::Nmi(told.polarity), ..pins },
            1 => Pins { lint1: Pin::Nmi(told.polarity), ..pins },
            // There are two pins.
            _ => pins,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;
    use crate::madt::TriggerMode;

    fn told(processor: NmiProcessor, pin: u8, polarity: Polarity) -> NmiPin {
        NmiPin { processor, pin, polarity, trigger_mode: TriggerMode::BusDefault }
    }

    #[test]
    fn the_table_decides_for_the_cpus_that_it_names() {
        let nmi_pins = vec![
            told(NmiProcessor::Uid(1), 0, Polarity::ActiveLow),
            told(NmiProcessor::Uid(2), 1, Polarity::ActiveHigh),
        ];
        let topology = Topology { nmi_pins, ..Topology::default() };
        assert_eq!(topology.pins(Some(1)), Pins { lint0: Pin::Nmi(Polarity::ActiveLow), lint1: Pin::Masked });
        assert_eq!(topology.pins(Some(2)), Pins { lint0: Pin::Masked, lint1: Pin::Nmi(Polarity::ActiveHigh) });
        assert_eq!(topology.pins(Some(3)), Pins::STANDARD);
        assert_eq!(topology.pins(None), Pins::STANDARD);
    }

    #[test]
    fn an_entry_for_all_is_for_all() {
        let topology =
            Topology { nmi_pins: vec![told(NmiProcessor::All, 1, Polarity::ActiveLow)], ..Topology::default() };
        for uid in [None, Some(7)] {
            assert_eq!(topology.pins(uid), Pins { lint0: Pin::Masked, lint1: Pin::Nmi(Polarity::ActiveLow) });
        }
    }

    #[test]
    fn entries_have_the_bits_of_the_manual() {
        let pins = [
            Pin::Masked,
            Pin::Nmi(Polarity::BusDefault),
            Pin::Nmi(Polarity::ActiveHigh),
            Pin::Nmi(Polarity::ActiveLow),
        ];
        assert_eq!(pins.map(Pin::bits), [0x1_0000, 0x400, 0x400, 0x2400]);
    }
}
