//! Carrying out what was planned for a program's file.

use core::fmt;

use gatehouse_core::memory::Rights;
use gatehouse_core::memory::layout::PAGE_SIZE;
use gatehouse_core::program::elf::{self, ElfError, Target};
use x86_64::VirtAddr;

use crate::memory::address_space::MapError;
use crate::memory::{AddressSpace, Frame, direct_map};

/// Why a program was not loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// The file is no program that this kernel runs.
    Elf(ElfError),
    /// No frames are left.
    OutOfMemory,
}

impl fmt::Display for LoadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elf(error) => error.fmt(out),
            Self::OutOfMemory => out.write_str("no memory is left"),
        }
    }
}

impl core::error::Error for LoadError {}

impl From<ElfError> for LoadError {
    fn from(error: ElfError) -> Self {
        Self::Elf(error)
    }
}

/// An address space in the making, that no CPU has loaded.
struct NewSpace<'space>(&'space mut AddressSpace);

impl Target for NewSpace<'_> {
    type Error = LoadError;

    fn map(
        &mut self,
        page: u64,
        rights: Rights,
        fill: impl FnOnce(&mut [u8; PAGE_SIZE as usize]),
    ) -> Result<(), LoadError> {
        let mut frame = Frame::allocate_zeroed().map_err(|_| LoadError::OutOfMemory)?;
        fill(frame.bytes_mut());
        match self.0.map(VirtAddr::new(page), frame, rights) {
            Ok(()) => Ok(()),
            Err(MapError::OutOfFrames | MapError::QuotaReached) => Err(LoadError::OutOfMemory),
            Err(error) => panic!("a program is loaded into an address space that is not empty: {error}"),
        }
    }

    fn write(&mut self, address: u64, byte: u8) {
        let Some(found) = self.0.translate(VirtAddr::new(address)) else { unreachable!("the plan has a page there") };
        // SAFETY: a byte of a frame that the space owns, which is borrowed exclusively; no CPU runs the program yet.
        unsafe { direct_map::pointer(found.physical.as_u64()).write(byte) };
    }
}

/// Loads the program in `file` into `space`, which holds nothing yet; answers the entry.
///
/// # Errors
/// [`LoadError`]. After [`LoadError::OutOfMemory`] part of the program is in `space`, which is to be dropped.
///
/// # Panics
/// When something is mapped in `space` where the program goes.
pub fn load(file: &[u8], space: &mut AddressSpace) -> Result<u64, LoadError> {
    let plan = elf::plan(file)?;
    plan.load(&mut NewSpace(space))?;
    Ok(plan.entry())
}
