//! Why kernel memory cannot be mapped.

use core::fmt;

use gatehouse_core::memory::PhysicalRange;

use crate::memory::fallible::OutOfHeap;
use crate::memory::frame::OutOfFrames;

/// Why kernel memory cannot be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelMapError {
    /// No page frame is left.
    OutOfFrames,
    /// The kernel heap is full.
    OutOfHeap,
    /// No range of kernel addresses of this many bytes is free.
    OutOfAddresses(u64),
    /// A length of 0, or a physical range that wraps or passes what a page table entry holds (2^52).
    BadRange {
        /// First physical address.
        start: u64,
        /// Bytes.
        length: u64,
    },
    /// Memory that the frame allocator manages was asked for as device memory.
    IsMemory(PhysicalRange),
}

impl fmt::Display for KernelMapError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfFrames => OutOfFrames.fmt(formatter),
            Self::OutOfHeap => OutOfHeap.fmt(formatter),
            Self::OutOfAddresses(bytes) => write!(formatter, "no {bytes} bytes of kernel addresses are free"),
            Self::BadRange { start, length } => {
                write!(formatter, "{length:#x} bytes at {start:#x} are not a range that can be mapped")
            }
            Self::IsMemory(range) => write!(formatter, "{range} is RAM, not a device"),
        }
    }
}

impl core::error::Error for KernelMapError {}

impl From<OutOfHeap> for KernelMapError {
    fn from(_: OutOfHeap) -> Self {
        Self::OutOfHeap
    }
}

impl From<OutOfFrames> for KernelMapError {
    fn from(_: OutOfFrames) -> Self {
        Self::OutOfFrames
    }
}
