//! Frames: pages that programs share.

use crate::abi::{Error, SLOT_NONE, SystemCall};
use crate::capability::{Frame, Program, Rights, Slot};
use crate::message::plain;

impl Frame {
    /// Makes a frame of zeros, 4096 bytes.
    ///
    /// # Errors
    /// [`Error::QuotaReached`], [`Error::OutOfMemory`].
    pub fn create() -> Result<Self, Error> {
        plain(SystemCall::CreateFrame, [0; 6]).map(|slot| Self::from_slot(Slot::new(slot)))
    }

    /// Makes a frame with what this one holds, which takes [`Rights::READ`].
    ///
    /// # Errors
    /// As for [`Self::create`]; [`Error::InvalidArgument`] for the registers of a device; [`Error::BadCapability`], [`Error::NoRight`].
    pub fn duplicate(self) -> Result<Self, Error> {
        plain(SystemCall::CreateFrame, [self.number(), 0, 0, 0, 0, 0]).map(|slot| Self::from_slot(Slot::new(slot)))
    }

    /// Maps it into this program, at a page-aligned free address, which is answered. The rights are [`Rights::READ`], or that and
    /// [`Rights::WRITE`].
    ///
    /// # Errors
    /// [`Error::AlreadyMapped`] for a place that is not free, [`Error::InvalidArgument`] for one that is no page of the user
    /// half, [`Error::BadCapability`], [`Error::NoRight`], [`Error::OutOfMemory`].
    pub fn map(self, address: u64, rights: Rights) -> Result<u64, Error> {
        plain(SystemCall::MapFrame, [self.number(), SLOT_NONE, address, rights.bits(), 0, 0])
    }

    /// The same in another program, which takes [`Rights::WRITE`] on that.
    ///
    /// # Errors
    /// As for [`Self::map`].
    pub fn map_into(self, program: Program, address: u64, rights: Rights) -> Result<u64, Error> {
        plain(SystemCall::MapFrame, [self.number(), program.number(), address, rights.bits(), 0, 0])
    }
}
