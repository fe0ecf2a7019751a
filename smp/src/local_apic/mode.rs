//! The local APIC's mode: which to use, and how to get there legally.

use core::fmt;

use percpu::ApicId;
use x86_64::registers::model_specific::Msr;

/// `IA32_APIC_BASE`.
pub(super) const APIC_BASE: u32 = 0x1b;
/// `IA32_APIC_BASE`: the APIC is enabled ("EN").
pub(super) const ENABLED: u64 = 1 << 11;
/// `IA32_APIC_BASE`: x2APIC mode ("EXTD").
pub(super) const EXTENDED: u64 = 1 << 10;
/// The lowest id that xAPIC mode cannot address.
const FIRST_X2APIC_ID: u32 = 255;

/// How a local APIC is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Memory-mapped registers, 8-bit ids.
    XApic,
    /// Model-specific registers, 32-bit ids.
    X2Apic,
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::XApic => "xAPIC",
            Self::X2Apic => "x2APIC",
        })
    }
}

/// Why no mode fits the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModeError {
    /// x2APIC mode was asked for and the CPU does not have it.
    NoX2Apic,
    /// An id is beyond xAPIC mode's reach and the CPU does not have x2APIC mode.
    IdNeedsX2Apic(ApicId),
    /// xAPIC mode was asked for and an id is beyond its reach.
    IdTooLargeForXApic(ApicId),
    /// xAPIC mode was asked for and the firmware has switched to x2APIC mode. The way back leads through a
    /// disabled APIC, loses its state, and faults on CPUs that lock x2APIC mode.
    X2ApicAlreadyOn,
}

impl fmt::Display for ModeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoX2Apic => formatter.write_str("x2APIC mode was asked for, but CPUID does not list it"),
            Self::IdNeedsX2Apic(id) => {
                write!(formatter, "APIC id {id} needs x2APIC mode, but CPUID does not list it")
            }
            Self::IdTooLargeForXApic(id) => {
                write!(formatter, "xAPIC mode was asked for, but APIC id {id} needs x2APIC mode")
            }
            Self::X2ApicAlreadyOn => {
                formatter.write_str("xAPIC mode was asked for, but the firmware has switched x2APIC mode on")
            }
        }
    }
}

impl core::error::Error for ModeError {}

/// The mode for all CPUs of a machine: x2APIC where the CPU has it, unless another is forced.
///
/// `apic_base_msr` is the calling CPU's `IA32_APIC_BASE`; `highest_apic_id` is the highest of the CPUs that
/// are to be addressed.
///
/// # Errors
/// When the machine does not allow the mode that is forced, or has an id that its only mode cannot address.
///
/// ```
/// use smp::ApicId;
/// use smp::local_apic::{Mode, choose_mode};
///
/// let enabled = 0xfee0_0900;
/// assert_eq!(choose_mode(true, enabled, ApicId::new(3), None), Ok(Mode::X2Apic));
/// assert!(choose_mode(false, enabled, ApicId::new(300), None).is_err());
/// ```
pub const fn choose_mode(
    cpuid_has_x2apic: bool,
    apic_base_msr: u64,
    highest_apic_id: ApicId,
    forced: Option<Mode>,
) -> Result<Mode, ModeError> {
    let beyond_xapic = highest_apic_id.get() >= FIRST_X2APIC_ID;
    match forced {
        Some(Mode::X2Apic) if !cpuid_has_x2apic => Err(ModeError::NoX2Apic),
        Some(Mode::XApic) if beyond_xapic => Err(ModeError::IdTooLargeForXApic(highest_apic_id)),
        Some(Mode::XApic) if apic_base_msr & EXTENDED != 0 => Err(ModeError::X2ApicAlreadyOn),
        Some(mode) => Ok(mode),
        None if cpuid_has_x2apic => Ok(Mode::X2Apic),
        None if beyond_xapic => Err(ModeError::IdNeedsX2Apic(highest_apic_id)),
        None => Ok(Mode::XApic),
    }
}

/// The values to write to `IA32_APIC_BASE`, in order, to come from `current` to a mode.
///
/// Source: Intel SDM volume 3A, "x2APIC State Transitions": x2APIC mode is entered from xAPIC mode only, and
/// left only for the disabled state. Every other change faults.
pub(super) fn transition(current: u64, mode: Mode) -> impl Iterator<Item = u64> {
    let disabled = current & !(ENABLED | EXTENDED);
    let xapic = disabled | ENABLED;
    let x2apic = xapic | EXTENDED;
    let steps = match (current & ENABLED != 0, current & EXTENDED != 0, mode) {
        (true, false, Mode::XApic) | (true, true, Mode::X2Apic) => [None, None],
        (false, _, Mode::XApic) => [Some(xapic), None],
        (true, true, Mode::XApic) => [Some(disabled), Some(xapic)],
        (true, false, Mode::X2Apic) => [Some(x2apic), None],
        (false, _, Mode::X2Apic) => [Some(xapic), Some(x2apic)],
    };
    steps.into_iter().flatten()
}

/// The calling CPU's `IA32_APIC_BASE`, for [`choose_mode`].
///
/// # Safety
/// The code runs in ring 0.
#[must_use]
pub unsafe fn read_apic_base() -> u64 {
    // SAFETY: every CPU of 64 bits has this MSR, reading it has no effect, and the caller vouches for ring 0.
    unsafe { Msr::new(APIC_BASE).read() }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;
    use std::vec::Vec;

    use super::*;

    const BASE: u64 = 0xfee0_0100;

    fn choose(has_x2apic: bool, base: u64, highest: u32, forced: Option<Mode>) -> Result<Mode, ModeError> {
        choose_mode(has_x2apic, base, ApicId::new(highest), forced)
    }

    #[test]
    fn x2apic_wherever_the_cpu_has_it() {
        assert_eq!(choose(true, BASE | ENABLED, 3, None), Ok(Mode::X2Apic));
        assert_eq!(choose(true, BASE | ENABLED | EXTENDED, 300, None), Ok(Mode::X2Apic));
        assert_eq!(choose(false, BASE | ENABLED, 254, None), Ok(Mode::XApic));
        assert_eq!(choose(true, BASE | ENABLED, 254, Some(Mode::XApic)), Ok(Mode::XApic));
        assert_eq!(choose(true, BASE | ENABLED, 3, Some(Mode::X2Apic)), Ok(Mode::X2Apic));
    }

    #[test]
    fn what_the_machine_lacks_is_named() {
        let id = ApicId::new(255);
        assert_eq!(choose(false, BASE, 255, None), Err(ModeError::IdNeedsX2Apic(id)));
        assert_eq!(choose(true, BASE, 255, Some(Mode::XApic)), Err(ModeError::IdTooLargeForXApic(id)));
        assert_eq!(choose(false, BASE, 3, Some(Mode::X2Apic)), Err(ModeError::NoX2Apic));
        assert_eq!(choose(true, BASE | ENABLED | EXTENDED, 3, Some(Mode::XApic)), Err(ModeError::X2ApicAlreadyOn));
        assert!(ModeError::IdNeedsX2Apic(id).to_string().contains("255"));
    }

    #[test]
    fn transitions_are_those_of_the_manual() {
        let steps = |current, mode| transition(current, mode).collect::<Vec<_>>();
        let (disabled, xapic, x2apic) = (BASE, BASE | ENABLED, BASE | ENABLED | EXTENDED);
        assert_eq!(steps(disabled, Mode::X2Apic), [xapic, x2apic]);
        assert_eq!(steps(xapic, Mode::X2Apic), [x2apic]);
        assert_eq!(steps(x2apic, Mode::X2Apic), []);
        assert_eq!(steps(disabled, Mode::XApic), [xapic]);
        assert_eq!(steps(xapic, Mode::XApic), []);
        assert_eq!(steps(x2apic, Mode::XApic), [disabled, xapic]);
    }
}
