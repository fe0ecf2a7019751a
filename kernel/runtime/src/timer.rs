//! Timers of the kernel.

use crate::abi::{Error, SLOT_NONE, SystemCall, TIMER_RELATIVE, TimerFirings};
pub use crate::capability::Timer;
use crate::capability::{Notification, Slot};
use crate::entry_point::{EntryPoint, Syscall};
use crate::message::Utcb;

fn call(call: SystemCall, arguments: [u64; 3]) -> Result<u64, Error> {
    let [first, second, third] = arguments;
    // SAFETY: the kernel writes to no memory of the program but, in one of these calls, to the message buffer.
    Error::from_register(unsafe { Syscall::call(call, [first, second, third, 0, 0, 0]) })
}

impl Timer {
    /// Makes a timer that fires on a CPU, or on the one that this thread runs on ([`crate::abi::ANY_CPU`]).
    ///
    /// # Errors
    /// [`Error::NoSuchCpu`], [`Error::QuotaReached`], [`Error::OutOfMemory`].
    pub fn create(cpu: u64) -> Result<Self, Error> {
        call(SystemCall::CreateTimer, [cpu, SLOT_NONE, 0]).map(|slot| Self::from_slot(Slot::new(slot)))
    }

    /// The same, and each firing signals a notification with the badge of that capability.
    ///
    /// # Errors
    /// Those of [`Self::create`]; [`Error::BadCapability`] and [`Error::NoRight`] for the notification.
    pub fn create_signalling(cpu: u64, notification: Notification) -> Result<Self, Error> {
        call(SystemCall::CreateTimer, [cpu, notification.number(), 0]).map(|slot| Self::from_slot(Slot::new(slot)))
    }

    /// Sets it to a time of the clock, in nanoseconds; tells whether it was set, and does not fire for that any more.
    ///
    /// # Errors
    /// [`Error::BadCapability`], [`Error::NoRight`].
    pub fn set_at(self, nanoseconds: u64) -> Result<bool, Error> {
        call(SystemCall::SetTimer, [self.number(), nanoseconds, 0]).map(|was_set| was_set == 1)
    }

    /// Sets it to a time from now, in nanoseconds; tells whether it was set, and does not fire for that any more.
    ///
    /// # Errors
    /// [`Error::BadCapability`], [`Error::NoRight`].
    pub fn set_after(self, nanoseconds: u64) -> Result<bool, Error> {
        call(SystemCall::SetTimer, [self.number(), nanoseconds, TIMER_RELATIVE]).map(|was_set| was_set == 1)
    }

    /// Clears it; tells whether it was set, and does not fire for that any more.
    ///
    /// # Errors
    /// [`Error::BadCapability`], [`Error::NoRight`].
    pub fn cancel(self) -> Result<bool, Error> {
        call(SystemCall::CancelTimer, [self.number(), 0, 0]).map(|was_set| was_set == 1)
    }

    /// What it has done so far; by way of the calling thread's message buffer.
    ///
    /// # Errors
    /// [`Error::BadCapability`], [`Error::NoRight`].
    pub fn firings(self, utcb: &Utcb) -> Result<TimerFirings, Error> {
        call(SystemCall::ReadTimer, [self.number(), 0, 0])?;
        Ok(TimerFirings { count: utcb.get(0), due: utcb.get(1), fired: utcb.get(2) })
    }

    /// How often it has fired so far.
    ///
    /// # Errors
    /// [`Error::BadCapability`], [`Error::NoRight`].
    pub fn count(self) -> Result<u64, Error> {
        call(SystemCall::ReadTimer, [self.number(), 0, 0])
    }
}
