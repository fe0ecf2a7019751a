//! The two numbers by which a CPU is known.

use core::fmt;

/// A CPU's dense index: 0 is the CPU that booted, then `1..` in the order of the firmware's list.
///
/// ```
/// use percpu::CpuIndex;
///
/// assert_eq!(CpuIndex::BOOT, CpuIndex::new(0));
/// assert_eq!(["boot", "other"][CpuIndex::new(1).as_usize()], "other");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct CpuIndex(u32);

impl CpuIndex {
    /// The CPU that the machine started.
    pub const BOOT: Self = Self(0);

    /// The index with this number.
    #[must_use]
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The number as a subscript.
    #[must_use]
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for CpuIndex {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A local APIC's id: 8 bits in xAPIC mode, 32 in x2APIC mode; sparse, and in no order.
///
/// ```
/// assert_eq!(percpu::ApicId::new(300).to_string(), "300");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct ApicId(u32);

impl ApicId {
    /// The id with this number.
    #[must_use]
    pub const fn new(id: u32) -> Self {
        Self(id)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for ApicId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
