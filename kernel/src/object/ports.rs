//! Ranges of I/O ports, and the right to make them.

use core::ops::Range;

use super::register_object;
use crate::arch::owner_of_ports;

/// How many ports there are.
const PORTS: u64 = 0x1_0000;

/// The right to make objects of interrupt lines, of I/O ports and of devices.
#[derive(Clone, Debug)]
pub struct DeviceControl;

register_object!(DeviceControl, "device control");

/// Ports that a program may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports(Range<u32>);

register_object!(Ports, "ports");

impl Ports {
    /// So many ports from the first; `None` if there are none, if they do not exist, or if one of them is the kernel's.
    #[must_use]
    pub fn new(first: u64, count: u64) -> Option<Self> {
        let end = first.checked_add(count).filter(|end| count > 0 && *end <= PORTS)?;
        owner_of_ports(&(first..end)).is_none().then_some(Self(first as u32..end as u32))
    }

    /// The port with this number, if an access of so many bytes there stays in the range. Bytes are 1, 2 or 4.
    #[must_use]
    pub fn at(&self, port: u64, bytes: u64) -> Option<u16> {
        let end = port.checked_add(bytes)?;
        let is_within = matches!(bytes, 1 | 2 | 4) && u64::from(self.0.start) <= port && end <= u64::from(self.0.end);
        if is_within { u16::try_from(port).ok() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{PORTS, Ports};
    use crate::arch::owner_of_ports;

    #[test]
    fn what_the_kernel_uses_is_refused_from_both_sides() {
        assert_eq!(Ports::new(0x3f7, 2), None);
        assert_eq!(Ports::new(0x3ff, 1), None);
        assert_eq!(Ports::new(0, PORTS), None);
        assert!(Ports::new(0x3f7, 1).is_some() && Ports::new(0x400, 8).is_some());
        assert!(Ports::new(0x70, 2).is_some_and(|ports| ports.at(0x71, 1) == Some(0x71)));
        assert_eq!(Ports::new(PORTS, 1), None);
        assert_eq!(Ports::new(0x70, 0), None);
        assert_eq!(Ports::new(u64::MAX, 2), None);
    }

    proptest! {
        #[test]
        fn no_access_leaves_its_range_or_meets_the_kernels_ports(
            first in 0..0x1_0400_u64, count in 0..0x400_u64, port in prop_oneof![0..0x1_0800_u64, Just(u64::MAX)], bytes in 0..9_u64,
        ) {
            let Some(ports) = Ports::new(first, count) else { return Ok(()) };
            if let Some(port) = ports.at(port, bytes) {
                let touched = u64::from(port)..u64::from(port) + bytes;
                prop_assert!(matches!(bytes, 1 | 2 | 4) && touched.start >= first && touched.end <= first + count);
                prop_assert_eq!(owner_of_ports(&touched), None);
            }
        }
    }
}
