//! Frames that programs share.

use crate::abi::{Error, SystemCall};
use crate::message::plain;

/// Makes a frame of zeros, 4096 bytes; answers its slot.
///
/// # Errors
/// [`Error::QuotaReached`], [`Error::OutOfMemory`].
pub fn create() -> Result<u64, Error> {
    plain(SystemCall::CreateFrame, [0; 6])
}

/// Makes a frame with what another one holds; answers its slot.
///
/// # Errors
/// As for [`create`]; those of the capability.
pub fn copy(frame: u64) -> Result<u64, Error> {
    plain(SystemCall::CreateFrame, [frame, 0, 0, 0, 0, 0])
}

/// Maps a frame into a program, or the caller's own ([`crate::abi::SLOT_NONE`]), at a free place. The rights are
/// [`crate::abi::rights::READ`], or that and [`crate::abi::rights::WRITE`].
///
/// # Errors
/// [`Error::AlreadyMapped`] for a place that is not free, [`Error::InvalidArgument`] for one that is no page of the user
/// half, those of the capabilities.
pub fn map(frame: u64, program: u64, address: u64, rights: u64) -> Result<u64, Error> {
    plain(SystemCall::MapFrame, [frame, program, address, rights, 0, 0])
}

/// Takes pages away from another program; answers how many bytes.
///
/// # Errors
/// [`Error::NotFound`] if none is mapped; those of the capability.
pub fn unmap_from(program: u64, address: u64, length: u64) -> Result<u64, Error> {
    plain(SystemCall::UnmapFrom, [program, address, length, 0, 0, 0])
}
