//! What a kernel tells the trampoline, and what is wrong with it.

use core::fmt;

use x86_64::registers::control::{Cr0Flags, Cr4Flags, EferFlags};

/// The state in which a started CPU enters the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Parameters {
    /// Physical address of the top page table, a multiple of 4096 below 4 GiB. It maps the trampoline page by
    /// identity, executable, and the kernel with its records and first stacks.
    pub page_table_root: u64,
    /// CR0: at least `PE` and `PG`.
    pub cr0: u64,
    /// CR4: at least `PAE`; `LA57` here if the tables have five levels. Only bits that CPUID lists. `PCIDE` and
    /// `CET` are set later, by the kernel: they need 64-bit mode, and `CR0.WP`, to be on already.
    pub cr4: u64,
    /// EFER: at least `LME`; `NXE` if the tables use it.
    pub efer: u64,
    /// Where the CPU goes, with interrupts off, no IDT, the trampoline's GDT, and the record's stack and argument.
    pub entry: extern "C" fn(argument: u64) -> !,
}

/// What is wrong with a page or with its [`Parameters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParameterError {
    /// The page is not a whole page below 1 MiB, or is one of the start-up pages `0xa0..=0xbf`, which are reserved.
    Page(u32),
    /// The page table root is not a page below 4 GiB.
    PageTableRoot(u64),
    /// CR0 lacks `PE` or `PG`, has `CD` or `NW`, or has bits above 31.
    Cr0(u64),
    /// CR4 lacks `PAE`, has `PCIDE` or `CET`, or has bits above 31.
    Cr4(u64),
    /// EFER lacks `LME`, or has bits above 31.
    Efer(u64),
}

impl fmt::Display for ParameterError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Page(address) => write!(formatter, "{address:#x} is no page where a CPU can start"),
            Self::PageTableRoot(address) => write!(formatter, "page table root {address:#x} is no page below 4 GiB"),
            Self::Cr0(value) => write!(formatter, "CR0 = {value:#x} does not enter 64-bit mode"),
            Self::Cr4(value) => write!(formatter, "CR4 = {value:#x} cannot be set before 64-bit mode"),
            Self::Efer(value) => write!(formatter, "EFER = {value:#x} does not enter 64-bit mode"),
        }
    }
}

impl core::error::Error for ParameterError {}

/// The control registers and the page table root as the trampoline loads them, from 32-bit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Controls {
    pub(super) page_table_root: u32,
    pub(super) cr0: u32,
    pub(super) cr4: u32,
    pub(super) efer: u32,
}

impl Parameters {
    /// Checks what would otherwise end as a CPU that resets the machine.
    pub(super) fn controls(&self) -> Result<Controls, ParameterError> {
        let has = |value: u64, needed: u64| value & needed == needed;

        let cr0_needed = (Cr0Flags::PROTECTED_MODE_ENABLE | Cr0Flags::PAGING).bits();
        let cr0_refused = (Cr0Flags::CACHE_DISABLE | Cr0Flags::NOT_WRITE_THROUGH).bits();
        let cr0 = u32::try_from(self.cr0).ok().filter(|_| has(self.cr0, cr0_needed) && self.cr0 & cr0_refused == 0);

        let cr4_needed = Cr4Flags::PHYSICAL_ADDRESS_EXTENSION.bits();
        let cr4_refused = (Cr4Flags::PCID | Cr4Flags::CONTROL_FLOW_ENFORCEMENT).bits();
        let cr4 = u32::try_from(self.cr4).ok().filter(|_| has(self.cr4, cr4_needed) && self.cr4 & cr4_refused == 0);

        let efer_needed = EferFlags::LONG_MODE_ENABLE.bits();
        // `LMA` is the CPU's own to set; a kernel that passes its current EFER has it.
        let efer_given = self.efer & !EferFlags::LONG_MODE_ACTIVE.bits();
        let efer = u32::try_from(efer_given).ok().filter(|_| has(efer_given, efer_needed));

        let root = u32::try_from(self.page_table_root).ok().filter(|root| root.is_multiple_of(4096));

        Ok(Controls {
            page_table_root: root.ok_or(ParameterError::PageTableRoot(self.page_table_root))?,
            cr0: cr0.ok_or(ParameterError::Cr0(self.cr0))?,
            cr4: cr4.ok_or(ParameterError::Cr4(self.cr4))?,
            efer: efer.ok_or(ParameterError::Efer(self.efer))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    extern "C" fn entry(_argument: u64) -> ! {
        unreachable!("not entered by a test")
    }

    const GOOD: Parameters = Parameters { page_table_root: 0x20_0000, cr0: 0x8001_0033, cr4: 0x20, efer: 0x900, entry };

    #[test]
    fn good_parameters_go_through_and_lma_is_dropped() {
        let expected = Controls { page_table_root: 0x20_0000, cr0: 0x8001_0033, cr4: 0x20, efer: 0x900 };
        assert_eq!(GOOD.controls(), Ok(expected));
        assert_eq!(Parameters { efer: 0xd01, ..GOOD }.controls().unwrap().efer, 0x901);
        assert!(Parameters { cr4: 0x1020, ..GOOD }.controls().is_ok(), "LA57");
    }

    #[test]
    fn each_bad_parameter_is_named() {
        for (parameters, error) in [
            (Parameters { page_table_root: 0x1_0000_0000, ..GOOD }, ParameterError::PageTableRoot(0x1_0000_0000)),
            (Parameters { page_table_root: 0x20_0008, ..GOOD }, ParameterError::PageTableRoot(0x20_0008)),
            (Parameters { cr0: 0x33, ..GOOD }, ParameterError::Cr0(0x33)),
            (Parameters { cr0: 0xe001_0033, ..GOOD }, ParameterError::Cr0(0xe001_0033)),
            (Parameters { cr4: 0, ..GOOD }, ParameterError::Cr4(0)),
            (Parameters { cr4: 0x2_0020, ..GOOD }, ParameterError::Cr4(0x2_0020)),
            (Parameters { cr4: 0x80_0020, ..GOOD }, ParameterError::Cr4(0x80_0020)),
            (Parameters { cr4: 0x1_0000_0020, ..GOOD }, ParameterError::Cr4(0x1_0000_0020)),
            (Parameters { efer: 0x800, ..GOOD }, ParameterError::Efer(0x800)),
        ] {
            assert_eq!(parameters.controls(), Err(error));
        }
    }
}
