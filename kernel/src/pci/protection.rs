//! Which registers of its function a driver may write.

use core::ops::Range;

/// The command register.
pub const COMMAND: u8 = 0x04;
/// Cache line and latency.
const TIMING: u8 = 0x0c;
/// The interrupt line, a note that nobody but software reads.
const LINE_NOTE: u8 = 0x3c;
/// From here on lie capabilities.
const CAPABILITIES: u8 = 0x40;

/// Whether a driver may write the register, whose number is a multiple of 4. Where its memory lies and where its messages go is
/// not for drivers to say: `messages` are the capabilities that say the latter.
pub fn is_writable(register: u8, messages: &[Range<u16>]) -> bool {
    let bytes = u16::from(register)..u16::from(register) + 4;
    let is_message = messages.iter().any(|range| range.start < bytes.end && bytes.start < range.end);
    let is_plain = register >= CAPABILITIES || matches!(register, COMMAND | TIMING | LINE_NOTE);
    register.is_multiple_of(4) && is_plain && !is_message
}

#[cfg(test)]
mod tests {
    use super::is_writable;

    #[test]
    fn addresses_and_messages_are_the_kernels() {
        let writable: Vec<u8> =
            (0..=255).filter(|register| is_writable(*register, &[0x50..0x5c, 0xf4..0x10c])).collect();
        assert!(writable.starts_with(&[0x04, 0x0c, 0x3c, 0x40, 0x44, 0x48, 0x4c, 0x5c]), "{writable:x?}");
        assert!(writable.ends_with(&[0xec, 0xf0]), "{writable:x?}");
    }
}
