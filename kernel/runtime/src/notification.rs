//! Notifications: bits that are signalled and waited for.

use crate::abi::{Error, SystemCall};
use crate::capability::{Notification, Slot};
use crate::message::{done, exchange_words, plain};

impl Notification {
    /// Makes one.
    ///
    /// # Errors
    /// [`Error::QuotaReached`], [`Error::OutOfMemory`].
    pub fn create() -> Result<Self, Error> {
        plain(SystemCall::CreateNotification, [0; 6]).map(|slot| Self::from_slot(Slot::new(slot)))
    }

    /// Sets the bits of the capability's badge; without a badge, bit 0.
    ///
    /// # Errors
    /// [`Error::BadCapability`], [`Error::NoRight`].
    pub fn signal(self) -> Result<(), Error> {
        done(SystemCall::Signal, [self.number(), 0, 0, 0, 0, 0])
    }

    /// Takes the bits that are set, or waits until some are.
    ///
    /// # Errors
    /// [`Error::Gone`] if the last capability went; [`Error::BadCapability`], [`Error::NoRight`].
    pub fn wait(self) -> Result<u64, Error> {
        self.wait_for(u64::MAX)
    }

    /// Takes the bits that are set, if any.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] if none are; as for [`Self::wait`].
    pub fn poll(self) -> Result<u64, Error> {
        self.wait_for(0)
    }

    /// Takes the bits that are set, or waits at most so many nanoseconds for some.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] if none were set in time; as for [`Self::wait`].
    pub fn wait_for(self, nanoseconds: u64) -> Result<u64, Error> {
        exchange_words(SystemCall::Wait, self.number(), nanoseconds, [0; 4]).map(|message| message.badge)
    }
}
