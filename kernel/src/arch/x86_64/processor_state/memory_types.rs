//! Memory type range registers: the firmware's, which knows the machine. They are read, and written by nobody here: two CPUs that
//! take the same memory for cached and uncached see different bytes (Intel SDM volume 3A, "MTRR Considerations in MP Systems").

use spin::Once;

use super::features::Features;
use crate::arch::x86_64::msr;

/// `IA32_MTRRCAP`: how many variable ranges there are (bits 0 to 7), and whether there are fixed ones (bit 8).
const CAPABILITIES: u32 = 0xfe;
/// `IA32_MTRR_DEF_TYPE`.
const DEFAULT_TYPE: u32 = 0x2ff;
/// `IA32_MTRR_PHYSBASE0`; base and mask of each range follow one another.
const FIRST_VARIABLE: u32 = 0x200;
/// The fixed ranges.
const FIXED: [u32; 11] = [0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f];

/// One number for all registers; where one is refused, as if it held nothing.
fn fingerprint(read: impl Fn(u32) -> Option<u64>) -> u64 {
    let capabilities = read(CAPABILITIES).unwrap_or(0);
    let variable = (0..2 * (capabilities as u32 & 0xff)).map(|number| FIRST_VARIABLE + number);
    let fixed = FIXED.into_iter().filter(|_| capabilities >> 8 & 1 != 0);
    let numbers = [CAPABILITIES, DEFAULT_TYPE].into_iter().chain(variable).chain(fixed);
    // FNV-1a, by words.
    numbers.fold(0xcbf2_9ce4_8422_2325, |hash, number| (hash ^ read(number).unwrap_or(0)).wrapping_mul(0x100_0000_01b3))
}

/// Whether they are those of the CPU that asked first. A guest's are not looked at: they decide nothing, and some hypervisors
/// take them for part of what INIT clears.
pub(super) fn agree(features: &Features) -> bool {
    static FIRST: Once<u64> = Once::new();
    if !features.memory_types || features.guest {
        return true;
    }
    let here = fingerprint(msr::read);
    *FIRST.call_once(|| here) == here
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_register_counts_and_no_other_one() {
        let with = |changed: u32| {
            fingerprint(|number| match number {
                CAPABILITIES => Some(8 | 1 << 8),
                _ if number == changed => Some(6),
                _ => Some(0),
            })
        };
        let none = with(0);
        for number in (0x200..0x210).chain(FIXED).chain([DEFAULT_TYPE]) {
            assert_ne!(with(number), none, "{number:#x}");
        }
        assert_eq!(with(0x210), none);
        assert_eq!(fingerprint(|_| None), fingerprint(|_| Some(0)));
    }
}
