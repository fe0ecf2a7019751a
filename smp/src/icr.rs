//! Commands for the interrupt command register (ICR), and their bits.
//!
//! Sources: Intel SDM volume 3A, "Local APIC", sections "Interrupt Command Register (ICR)", "ICR Operation
//! in x2APIC Mode" and the table of valid combinations for the destination shorthands.

use core::fmt;

use percpu::ApicId;

/// What an inter-processor interrupt does at its destination.
///
/// ```
/// use smp::ApicId;
/// use smp::icr::{Command, Destination, EncodeError, encode_x2apic, encode_xapic};
///
/// let to = Destination::Physical(ApicId::new(300));
/// assert_eq!(encode_x2apic(Command::Fixed(0xf0), to), Ok(0x0000_012c_0000_40f0));
/// assert_eq!(encode_xapic(Command::Nmi, to), Err(EncodeError::IdTooLargeForXApic(ApicId::new(300))));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Resets the CPU's core and leaves it waiting for a start-up IPI.
    Init,
    /// Start-up IPI (SIPI): a waiting CPU starts in real mode at the physical address `page << 12`.
    /// Pages `0xa0..=0xbf` are reserved.
    Startup(u8),
    /// Raises the interrupt with this vector, `16..=255`.
    Fixed(u8),
    /// Raises a non-maskable interrupt.
    Nmi,
}

/// Who gets an inter-processor interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The CPU with this id.
    Physical(ApicId),
    /// The CPU that sends. Only [`Command::Fixed`].
    SelfOnly,
    /// Every CPU of the machine but the sender, whether or not it was started.
    AllExcludingSelf,
}

/// Why a command has no bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// In xAPIC mode a destination has 8 bits and 255 means everybody: ids from 255 up need x2APIC mode.
    IdTooLargeForXApic(ApicId),
    /// The id means everybody in x2APIC mode.
    BroadcastId,
    /// Vectors below 16 are reserved.
    IllegalVector(u8),
    /// Start-up pages `0xa0..=0xbf` are reserved.
    ReservedStartupPage(u8),
    /// A CPU can send itself only a [`Command::Fixed`] by the shorthand.
    NotForSelf(Command),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IdTooLargeForXApic(id) => write!(formatter, "APIC id {id} needs x2APIC mode, xAPIC reaches 0..=254"),
            Self::BroadcastId => write!(formatter, "APIC id 0xffffffff means every CPU"),
            Self::IllegalVector(vector) => write!(formatter, "interrupt vector {vector} is reserved, use 16..=255"),
            Self::ReservedStartupPage(page) => write!(formatter, "start-up page {page:#x} is reserved"),
            Self::NotForSelf(command) => write!(formatter, "{command:?} cannot be sent to the sending CPU itself"),
        }
    }
}

impl core::error::Error for EncodeError {}

/// The two halves of the ICR in xAPIC mode. The high half is written first: writing the low half sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XApicBits {
    /// Bits 63:32; the destination in its top byte.
    pub high: u32,
    /// Bits 31:0.
    pub low: u32,
}

/// Bits 31:24 of the high half hold the destination in xAPIC mode.
const XAPIC_DESTINATION_SHIFT: u32 = 24;
/// In xAPIC mode this id addresses every CPU.
const XAPIC_BROADCAST: u32 = 0xff;
/// In x2APIC mode this id addresses every CPU.
const X2APIC_BROADCAST: u32 = u32::MAX;

const DELIVERY_FIXED: u32 = 0b000 << 8;
const DELIVERY_NMI: u32 = 0b100 << 8;
const DELIVERY_INIT: u32 = 0b101 << 8;
const DELIVERY_STARTUP: u32 = 0b110 << 8;
/// Level "assert": 1 for every command but the INIT level de-assert, which no CPU of 64 bits needs.
const LEVEL_ASSERT: u32 = 1 << 14;
const SHORTHAND_SELF: u32 = 0b01 << 18;
const SHORTHAND_ALL_EXCLUDING_SELF: u32 = 0b11 << 18;

/// The value for the one 64-bit ICR of x2APIC mode, MSR `0x830`.
///
/// # Errors
/// When the command or the destination is not one that the ICR can express.
#[inline]
pub const fn encode_x2apic(command: Command, destination: Destination) -> Result<u64, EncodeError> {
    let low = match low_half(command, destination) {
        Ok(low) => low as u64,
        Err(error) => return Err(error),
    };
    match destination {
        Destination::Physical(id) if id.get() == X2APIC_BROADCAST => Err(EncodeError::BroadcastId),
        Destination::Physical(id) => Ok((id.get() as u64) << 32 | low),
        Destination::SelfOnly | Destination::AllExcludingSelf => Ok(low),
    }
}

/// The values for the two 32-bit halves of xAPIC mode, offsets `0x310` and `0x300`.
///
/// # Errors
/// When the command or the destination is not one that the ICR can express.
#[inline]
pub const fn encode_xapic(command: Command, destination: Destination) -> Result<XApicBits, EncodeError> {
    let low = match low_half(command, destination) {
        Ok(low) => low,
        Err(error) => return Err(error),
    };
    match destination {
        Destination::Physical(id) if id.get() >= XAPIC_BROADCAST => Err(EncodeError::IdTooLargeForXApic(id)),
        Destination::Physical(id) => Ok(XApicBits { high: id.get() << XAPIC_DESTINATION_SHIFT, low }),
        Destination::SelfOnly | Destination::AllExcludingSelf => Ok(XApicBits { high: 0, low }),
    }
}

/// Bits 31:0, which are the same in both modes.
#[inline]
const fn low_half(command: Command, destination: Destination) -> Result<u32, EncodeError> {
    let command_bits = match command {
        Command::Init => DELIVERY_INIT,
        Command::Startup(page @ 0xa0..=0xbf) => return Err(EncodeError::ReservedStartupPage(page)),
        Command::Startup(page) => DELIVERY_STARTUP | page as u32,
        Command::Fixed(vector @ 0..16) => return Err(EncodeError::IllegalVector(vector)),
        Command::Fixed(vector) => DELIVERY_FIXED | vector as u32,
        Command::Nmi => DELIVERY_NMI,
    };
    let destination_bits = match (destination, command) {
        (Destination::Physical(_), _) => 0,
        (Destination::SelfOnly, Command::Fixed(_)) => SHORTHAND_SELF,
        (Destination::SelfOnly, _) => return Err(EncodeError::NotForSelf(command)),
        (Destination::AllExcludingSelf, _) => SHORTHAND_ALL_EXCLUDING_SELF,
    };
    Ok(LEVEL_ASSERT | command_bits | destination_bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn to(id: u32) -> Destination {
        Destination::Physical(ApicId::new(id))
    }

    #[test]
    fn broadcasts_have_the_values_of_the_manual_in_both_modes() {
        for (command, bits) in [
            (Command::Init, 0xc_4500),
            (Command::Startup(8), 0xc_4608),
            (Command::Nmi, 0xc_4400),
            (Command::Fixed(0xf0), 0xc_40f0),
        ] {
            assert_eq!(encode_x2apic(command, Destination::AllExcludingSelf), Ok(u64::from(bits)));
            assert_eq!(encode_xapic(command, Destination::AllExcludingSelf), Ok(XApicBits { high: 0, low: bits }),);
        }
    }

    #[test]
    fn xapic_destination_is_in_the_top_byte() {
        assert_eq!(encode_xapic(Command::Init, to(1)), Ok(XApicBits { high: 0x0100_0000, low: 0x4500 }));
        assert_eq!(encode_xapic(Command::Startup(0x9f), to(254)), Ok(XApicBits { high: 0xfe00_0000, low: 0x469f }));
        assert_eq!(encode_xapic(Command::Nmi, to(0)), Ok(XApicBits { high: 0, low: 0x4400 }));
    }

    #[test]
    fn x2apic_destination_is_the_whole_high_half() {
        assert_eq!(encode_x2apic(Command::Init, to(1)), Ok(0x0000_0001_0000_4500));
        assert_eq!(encode_x2apic(Command::Startup(8), to(0x1234_5678)), Ok(0x1234_5678_0000_4608));
        assert_eq!(encode_x2apic(Command::Fixed(0x20), to(255)), Ok(0x0000_00ff_0000_4020));
    }

    #[test]
    fn self_ipi_is_a_shorthand_and_only_fixed() {
        assert_eq!(encode_x2apic(Command::Fixed(0x40), Destination::SelfOnly), Ok(0x4_4040));
        assert_eq!(encode_xapic(Command::Fixed(0x40), Destination::SelfOnly), Ok(XApicBits { high: 0, low: 0x4_4040 }));
        for command in [Command::Init, Command::Startup(8), Command::Nmi] {
            assert_eq!(encode_x2apic(command, Destination::SelfOnly), Err(EncodeError::NotForSelf(command)));
            assert_eq!(encode_xapic(command, Destination::SelfOnly), Err(EncodeError::NotForSelf(command)));
        }
    }

    #[test]
    fn ids_that_mean_everybody_or_do_not_fit_are_refused() {
        for id in [255, 256, 0x1_0000, u32::MAX] {
            assert_eq!(encode_xapic(Command::Init, to(id)), Err(EncodeError::IdTooLargeForXApic(ApicId::new(id))),);
        }
        assert_eq!(encode_x2apic(Command::Init, to(u32::MAX)), Err(EncodeError::BroadcastId));
    }

    #[test]
    fn reserved_vectors_and_pages_are_refused() {
        assert_eq!(encode_x2apic(Command::Fixed(15), to(1)), Err(EncodeError::IllegalVector(15)));
        assert_eq!(encode_xapic(Command::Fixed(0), to(1)), Err(EncodeError::IllegalVector(0)));
        assert!(encode_x2apic(Command::Fixed(16), to(1)).is_ok());
        for page in [0xa0, 0xbf] {
            assert_eq!(encode_x2apic(Command::Startup(page), to(1)), Err(EncodeError::ReservedStartupPage(page)));
        }
        assert!(encode_x2apic(Command::Startup(0x9f), to(1)).is_ok());
        assert!(encode_x2apic(Command::Startup(0xc0), to(1)).is_ok());
    }
}
