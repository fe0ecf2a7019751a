//! The registers of the machine-check architecture, bit by bit.

use core::fmt;

/// `IA32_MCG_CAP` (Intel SDM volume 3, "IA32_MCG_CAP MSR").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GlobalCapabilities(pub u64);

impl GlobalCapabilities {
    /// How many banks there are.
    #[must_use]
    pub const fn banks(self) -> u32 {
        (self.0 & 0xff) as u32
    }

    /// There is an `IA32_MCG_CTL`.
    #[must_use]
    pub const fn has_control(self) -> bool {
        self.0 & 1 << 8 != 0
    }

    /// `MCG_SER_P`: software can recover from some errors, and the banks say from which (bits S and AR).
    #[must_use]
    pub const fn has_recovery(self) -> bool {
        self.0 & 1 << 24 != 0
    }
}

/// `IA32_MCG_STATUS` (Intel SDM volume 3, "IA32_MCG_STATUS MSR").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GlobalStatus(pub u64);

impl GlobalStatus {
    /// `RIPV`: what was interrupted can be gone on with.
    #[must_use]
    pub const fn can_restart(self) -> bool {
        self.0 & 1 != 0
    }

    /// `MCIP`: the hardware reports something. Clear when the exception was raised by an instruction.
    #[must_use]
    pub const fn is_in_progress(self) -> bool {
        self.0 & 1 << 2 != 0
    }

    /// `EIPV`: the instruction that was interrupted has to do with the error.
    #[must_use]
    pub const fn is_about_instruction(self) -> bool {
        self.0 & 1 << 1 != 0
    }
}

/// `IA32_MCi_STATUS` (Intel SDM volume 3, "IA32_MCi_STATUS MSRS").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BankStatus(pub u64);

macro_rules! bits {
    ($($(#[$doc:meta])* $name:ident = $bit:literal;)*) => {
        impl BankStatus {
            $($(#[$doc])* #[must_use] pub const fn $name(self) -> bool { self.0 & 1 << $bit != 0 })*
        }
    };
}

bits! {
    /// `VAL`: the bank holds an error.
    is_valid = 63;
    /// `OVER`: another error came before this one was read.
    has_overflowed = 62;
    /// `UC`: the hardware has not corrected it.
    is_uncorrected = 61;
    /// `EN`: the error was enabled to raise #MC.
    is_enabled = 60;
    /// `MISCV`: there is a `IA32_MCi_MISC`.
    has_misc = 59;
    /// `ADDRV`: there is an address.
    has_address = 58;
    /// `PCC`: the processor's state may be wrong.
    has_corrupt_context = 57;
    /// `S`: raised #MC on purpose; only with [`GlobalCapabilities::has_recovery`].
    is_signalled = 56;
    /// `AR`: must be handled before what ran goes on; only with [`GlobalCapabilities::has_recovery`].
    requires_action = 55;
}

impl BankStatus {
    /// The architecture's error code, MCACOD.
    #[must_use]
    pub const fn code(self) -> u16 {
        self.0 as u16
    }
}

/// In words, on one line.
impl fmt::Display for BankStatus {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.is_uncorrected() { "uncorrected" } else { "corrected" })?;
        if self.has_corrupt_context() {
            out.write_str(", context corrupt")?;
        }
        if self.is_signalled() {
            out.write_str(if self.requires_action() { ", action required" } else { ", action optional" })?;
        }
        if self.has_overflowed() {
            out.write_str(", others lost")?;
        }
        out.write_str(": ")?;
        describe_code(self.code(), out)
    }
}

/// What the error code means (Intel SDM volume 3, "Interpreting the MCA Error Codes": "Simple Error Codes" and "Compound
/// Error Codes"). Bit 12 is the filter of corrected errors and no part of it.
fn describe_code(code: u16, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let level = ["level 0", "level 1", "level 2", "any level"][usize::from(code & 3)];
    let kind = ["instruction", "data", "generic", "other"][usize::from(code >> 2 & 3)];
    match code & 0xefff {
        0 => out.write_str("no error"),
        1 => out.write_str("unclassified"),
        2 => out.write_str("parity of the microcode"),
        3 => out.write_str("signalled from outside"),
        4 => out.write_str("redundancy check of the processors"),
        5 => out.write_str("internal parity"),
        6 => out.write_str("system management code outside its memory"),
        0x0400 => out.write_str("internal timer"),
        0x0e0b => out.write_str("generic input or output"),
        0x000c..=0x000f => write!(out, "generic cache, {level}"),
        0x0010..=0x001f => write!(out, "{kind} TLB, {level}"),
        0x0080..=0x00ff => write!(out, "memory controller, channel {}: {}", code & 0xf, memory_request(code)),
        0x0100..=0x01ff => write!(out, "{kind} cache, {level}: {}", cache_request(code)),
        0x0280..=0x02ff => {
            write!(out, "memory used as a cache, channel {}: {}", code & 0xf, memory_request(code))
        }
        0x0401..=0x07ff => out.write_str("internal, unclassified"),
        0x0800..=0x0fff => write!(out, "bus or interconnect, {level}: {}", cache_request(code)),
        other => write!(out, "code {other:#06x}"),
    }
}

/// The RRRR field.
fn cache_request(code: u16) -> &'static str {
    match code >> 4 & 0xf {
        0 => "generic error",
        1 => "read",
        2 => "write",
        3 => "data read",
        4 => "data write",
        5 => "instruction fetch",
        6 => "prefetch",
        7 => "eviction",
        8 => "snoop",
        _ => "unknown request",
    }
}

/// The MMM field.
fn memory_request(code: u16) -> &'static str {
    match code >> 4 & 7 {
        0 => "generic",
        1 => "read",
        2 => "write",
        3 => "address or command",
        4 => "scrubbing",
        _ => "unknown request",
    }
}

/// The physical address that a bank gives, rounded down to what it is sure of (Intel SDM volume 3, "IA32_MCi_MISC MSRs": bits
/// 8 to 6 say what kind of address it is, 2 being physical, bits 5 to 0 the lowest bit of it that counts).
#[must_use]
pub fn physical_address(status: BankStatus, address: u64, misc: u64) -> Option<u64> {
    let is_physical = misc >> 6 & 7 == 2;
    let lowest = misc & 0x3f;
    (status.has_address() && status.has_misc() && is_physical && lowest < 52).then(|| address >> lowest << lowest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_told_in_words() {
        let text = |status| BankStatus(status).to_string();
        assert_eq!(
            text(0xbd80_0000_0000_0134),
            "uncorrected, action required: data cache, level 0: data read",
            "the manual's recoverable data load"
        );
        assert_eq!(
            text(0xbd80_0000_0000_0150),
            "uncorrected, action required: instruction cache, level 0: instruction fetch"
        );
        assert_eq!(
            text(0xbd00_0000_0000_00c0),
            "uncorrected, action optional: memory controller, channel 0: scrubbing"
        );
        assert_eq!(text(0xfe00_0000_0000_0005), "uncorrected, context corrupt, others lost: internal parity");
        assert_eq!(text(0x9c00_0000_0000_1019), "corrected: generic TLB, level 1");
        assert_eq!(text(0x9c00_0000_0000_0030), "corrected: code 0x0030");
    }

    #[test]
    fn every_code_has_words() {
        (0..=u16::MAX).for_each(|code| assert!(!BankStatus(u64::from(code)).to_string().is_empty()));
    }

    #[test]
    fn only_physical_addresses_count() {
        let status = BankStatus(0xbd80_0000_0000_0134);
        assert_eq!(physical_address(status, 0x1234_5678, 0x8c), Some(0x1234_5000));
        assert_eq!(physical_address(status, 0x1234_5678, 0x86), Some(0x1234_5640));
        assert_eq!(physical_address(status, 0x1234_5678, 0x4c), None, "a linear address");
        assert_eq!(physical_address(BankStatus(0xb980_0000_0000_0134), 0x1234_5678, 0x8c), None, "no address");
        assert_eq!(physical_address(status, u64::MAX, 0xbf), None, "no bit counts");
    }

    #[test]
    fn capabilities_of_the_emulator() {
        let capabilities = GlobalCapabilities(0x0100_010a);
        assert_eq!((capabilities.banks(), capabilities.has_control(), capabilities.has_recovery()), (10, true, true));
    }
}
