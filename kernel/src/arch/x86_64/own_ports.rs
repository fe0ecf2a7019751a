//! The I/O ports that the kernel keeps to itself: what stops CPUs, hides interrupts, or turns the machine off or over.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use core::ops::Range;

use crate::sync::{Mutex, rank};

/// Ports that are the kernel's on every PC, and what they are.
///
/// Sources: Intel 9 Series Chipset Family Platform Controller Hub data sheet, "Fixed I/O Address Ranges"; the register of the
/// interrupt mode is that of the MultiProcessor Specification 1.4, "PIC Mode". The clock's ports, 0x70 and 0x71, are given away:
/// see [`harmless`].
const FIXED: &[(Range<u64>, &str)] = &[
    (0x20..0x22, "first interrupt controller"),
    (0x22..0x24, "interrupt mode"),
    (0x61..0x62, "masks of NMI sources"),
    (0x64..0x65, "keyboard controller's command, which resets"),
    (0x74..0x78, "aliases of the clock's index and the NMI mask"),
    (0x92..0x93, "fast reset"),
    (0xa0..0xa2, "second interrupt controller"),
    (0xb2..0xb4, "system management interrupt"),
    (0xe9..0xea, "debug console"),
    (0xf4..0xf8, "exit device"),
    (0x3f8..0x400, "COM1"),
    (0x4d0..0x4d2, "trigger modes of the interrupt controllers"),
    (0xcf8..0xd00, "PCI configuration and reset"),
];

/// Ports that the firmware's tables, or a device that the kernel drives, have somewhere.
static FOUND: Mutex<heapless::Vec<(Range<u64>, &'static str), 32>, rank::OwnPorts> = Mutex::new(heapless::Vec::new());

/// The index of the clock's registers, whose highest bit masks NMIs.
const CLOCK_INDEX: u64 = 0x70;
const NMI_MASK: u32 = 0x80;

/// Keeps ports from programs from now on. To be called at the start, before any program has ports.
///
/// # Panics
/// If there are more such ranges than anybody has seen in a machine.
pub fn keep(ports: Range<u64>, what: &'static str) {
    if !ports.is_empty() {
        let kept = FOUND.lock().push((ports, what));
        assert!(kept.is_ok(), "too many ranges of I/O ports are the kernel's");
    }
}

/// What of the kernel's is among the ports, if anything is.
#[must_use]
pub fn owner(ports: &Range<u64>) -> Option<&'static str> {
    let find = |all: &[(Range<u64>, &'static str)]| {
        all.iter().find(|(own, _)| ports.start < own.end && own.start < ports.end).map(|(_, what)| *what)
    };
    find(FIXED).or_else(|| find(&FOUND.lock()))
}

/// The value that goes out when a program writes so many bytes at a port: never one that masks NMIs.
#[must_use]
pub const fn harmless(port: u16, bytes: u64, value: u32) -> u32 {
    let first = port as u64;
    if first <= CLOCK_INDEX && CLOCK_INDEX < first.saturating_add(bytes) {
        // The register is in the value, which has 4 bytes at most.
        value & !NMI_MASK.unbounded_shl(CLOCK_INDEX.saturating_sub(first).saturating_mul(8) as u32)
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::{FIXED, harmless, keep, owner};

    #[test]
    fn each_port_of_the_table_is_refused_alone_and_from_both_sides() {
        for (ports, what) in FIXED {
            for port in ports.clone() {
                assert_eq!(owner(&(port..port + 1)), Some(*what), "{port:#x}");
            }
            assert!(owner(&(ports.start - 1..ports.start + 1)).is_some(), "{what} from below");
            assert!(owner(&(ports.end - 1..ports.end + 1)).is_some(), "{what} from above");
        }
        for named in [0x20, 0x21, 0x22, 0x23, 0x64, 0x92, 0xa0, 0xa1, 0xb2, 0xb3, 0x4d0, 0x4d1, 0xcf8, 0xcf9, 0xcff] {
            assert!(owner(&(named..named + 1)).is_some(), "{named:#x}");
        }
        for free in [0x1f, 0x24, 0x60, 0x70, 0x71, 0x3f7, 0x400, 0xd00] {
            assert_eq!(owner(&(free..free + 1)), None, "{free:#x}");
        }
    }

    #[test]
    fn what_was_found_is_refused_from_then_on() {
        assert_eq!(owner(&(0xc120..0xc121)), None);
        keep(0xc100..0xc180, "test");
        keep(0xc200..0xc200, "nothing");
        assert_eq!(owner(&(0xc120..0xc121)), Some("test"));
        assert_eq!(owner(&(0xc0ff..0xc100)), None);
        assert_eq!(owner(&(0xc1f0..0xc210)), None);
    }

    #[test]
    fn no_write_masks_nmis() {
        for (port, bytes, value, out) in [
            (0x70, 1, 0x8a, 0x0a),
            (0x70, 2, 0xff8a, 0xff0a),
            (0x6f, 2, 0x8a80, 0x0a80),
            (0x6d, 4, 0x8a80_8080, 0x0a80_8080),
            (0x71, 1, 0x80, 0x80),
            (0x6c, 4, 0x8080_8080, 0x8080_8080),
        ] {
            assert_eq!(harmless(port, bytes, value), out, "{bytes} bytes at {port:#x}");
        }
    }
}
