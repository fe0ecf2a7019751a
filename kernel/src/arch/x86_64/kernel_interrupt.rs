//! Interrupts by what they are for: what the rest of the kernel says instead of vectors.

use smp::local_apic::Vector;

use super::vectors;

/// An interrupt that the kernel has for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum KernelInterrupt {
    /// The serial line of the console.
    Serial = vectors::SERIAL,
    /// The disk that pages are swapped to.
    SwapDisk = vectors::SWAP_DISK,
    /// The CPU's timer.
    Timer = vectors::TIMER,
    /// Another CPU wants something.
    OtherCpu = vectors::IPI,
    /// The interrupt controller reports an error of its own.
    ControllerError = vectors::APIC_ERROR,
}

impl KernelInterrupt {
    /// Its number: what interrupt controllers and devices send, and under which entries are counted.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The same, as the local APIC takes it.
    #[must_use]
    pub const fn vector(self) -> Vector {
        match Vector::new(self as u8) {
            Some(vector) => vector,
            None => panic!("interrupts have numbers above those of exceptions"),
        }
    }
}

/// The number of the first interrupt that a device can be given.
pub const FIRST_DEVICE_INTERRUPT: u8 = vectors::FIRST_DEVICE;
/// How many there are, up to the kernel's own.
pub const DEVICE_INTERRUPTS: usize = (vectors::SERIAL - vectors::FIRST_DEVICE) as usize;

/// Whether the number is an exception's, or that of the spurious interrupt, which needs no end as other interrupts do.
#[must_use]
pub const fn ends_by_itself(number: u8) -> bool {
    number < vectors::FIRST_INTERRUPT || number == vectors::SPURIOUS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_get_none_of_the_kernels_own() {
        use KernelInterrupt::{ControllerError, OtherCpu, Serial, SwapDisk, Timer};
        let last = usize::from(FIRST_DEVICE_INTERRUPT) + DEVICE_INTERRUPTS - 1;
        for own in [Serial, SwapDisk, Timer, OtherCpu, ControllerError] {
            assert!(usize::from(own.number()) > last && own.vector().get() == own.number(), "{own:?}");
            assert!(!ends_by_itself(own.number()), "{own:?}");
        }
        assert!(ends_by_itself(3) && ends_by_itself(255));
    }
}
