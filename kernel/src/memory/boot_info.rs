//! What every boot protocol tells the kernel.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod boot_stack;
mod image;

use core::fmt;

use gatehouse_abi::BootProtocol;
use gatehouse_core::command_line::{CommandLine, CommandLineError};
use gatehouse_core::memory::layout::BOOT_DIRECT_MAP_SIZE;
use gatehouse_core::memory::{MemoryKind, MemoryMap, MemoryMapError, PhysicalRange};

pub use boot_stack::boot_stack;
pub use image::{ImageSegment, ImageSegments};

/// Everything that the loader said, owned by the kernel.
#[derive(Debug)]
pub struct BootInfo {
    /// The way in.
    pub protocol: BootProtocol,
    /// Physical memory. The image, the archive and what must not be touched are set apart already.
    pub memory: MemoryMap,
    /// Where the image was put.
    pub image: ImagePlacement,
    /// The command line.
    pub command_line: CommandLine,
    /// Physical address of the ACPI root pointer (RSDP). Never 0.
    pub rsdp: u64,
    /// Physical bytes of the boot archive, if there is one. Not empty; starts at any byte.
    pub archive: Option<PhysicalRange>,
    /// The part of the archive's memory that the loader's map calls anything but usable: what the firmware had there is lost.
    pub overwritten: Option<PhysicalRange>,
}

/// Where the kernel's image lies in physical memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImagePlacement {
    /// Physical pages of the image.
    pub physical: PhysicalRange,
    /// Virtual address minus physical address of the image's bytes.
    pub virtual_offset: u64,
    /// Virtual pages of its segments.
    pub segments: ImageSegments,
}

/// Why the kernel cannot start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootError {
    /// The loader's information does not start with the number it must start with.
    BadMagic(u32),
    /// The loader's information is older than what the kernel needs.
    OldVersion(u32),
    /// A structure of the loader lies where the boot tables do not reach: its name and address.
    OutOfReach(&'static str, u64),
    /// The memory map cannot be used.
    MemoryMap(MemoryMapError),
    /// No RAM is usable.
    NoMemory,
    /// No ACPI root pointer.
    NoRsdp,
    /// The command line cannot be kept.
    CommandLine(CommandLineError),
    /// The loader passed this many modules; the kernel takes one, the boot archive.
    TooManyModules(u64),
    /// The boot archive's address and length make no range.
    BadArchive(u64, u64),
    /// The loader did not answer this request.
    NoAnswer(&'static str),
}

impl fmt::Display for BootError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadMagic(seen) => write!(formatter, "PVH start information has magic number {seen:#x}"),
            Self::OldVersion(seen) => {
                write!(formatter, "PVH start information has version {seen}: it holds no memory map")
            }
            Self::OutOfReach(what, address) => write!(formatter, "the {what} lies at {address:#x}, above 4 GiB"),
            Self::MemoryMap(error) => error.fmt(formatter),
            Self::NoMemory => formatter.write_str("the memory map has no usable RAM"),
            Self::NoRsdp => formatter.write_str("the loader found no ACPI root pointer (RSDP)"),
            Self::CommandLine(error) => error.fmt(formatter),
            Self::TooManyModules(count) => {
                write!(formatter, "the loader passed {count} modules; only one, the boot archive, is supported")
            }
            Self::BadArchive(address, length) => {
                write!(formatter, "the boot archive at {address:#x} has an impossible length of {length:#x} bytes")
            }
            Self::NoAnswer(request) => write!(formatter, "the loader did not answer the {request} request"),
        }
    }
}

impl core::error::Error for BootError {}

impl From<CommandLineError> for BootError {
    fn from(error: CommandLineError) -> Self {
        Self::CommandLine(error)
    }
}

impl From<MemoryMapError> for BootError {
    fn from(error: MemoryMapError) -> Self {
        Self::MemoryMap(error)
    }
}

impl BootInfo {
    /// Sets the image and the archive apart in the memory map, checks the rest.
    ///
    /// # Errors
    /// What makes a start impossible.
    pub fn finish(mut self) -> Result<Self, BootError> {
        self.memory.set(self.image.physical, MemoryKind::Image)?;
        if let Some(archive) = self.archive {
            self.memory.set(archive.pages_around(), MemoryKind::Archive)?;
        }
        if self.rsdp == 0 {
            return Err(BootError::NoRsdp);
        }
        if !self.memory.regions_of(MemoryKind::Usable).any(|range| range.start < BOOT_DIRECT_MAP_SIZE) {
            return Err(BootError::NoMemory);
        }
        Ok(self)
    }
}
