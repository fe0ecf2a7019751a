//! Capabilities, one type for each kind of object.
//!
//! A program names an object by a slot of its own capability space. A value of a type here is such a slot, and the calls that the
//! object answers are its methods: an [`Endpoint`] is made by [`Endpoint::create`] and cannot be signalled. Values are copied like
//! numbers; dropping one gives nothing up, [`Capability::delete`] does. Which object a slot holds, and with which [`Rights`], the
//! kernel looks at in each call, so that a value made of a wrong number is refused and does no harm.
//!
//! ```no_run
//! use gatehouse_runtime::abi::Error;
//! use gatehouse_runtime::capability::{Capability, Notification, Program, Rights};
//!
//! /// Gives a program the right to wait for a notification, and no other.
//! fn let_wait(program: Program) -> Result<Notification, Error> {
//!     let notification = Notification::create()?;
//!     notification.grant(program, Rights::RECEIVE, 0)?;
//!     Ok(notification)
//! }
//! ```

pub use crate::abi::Rights;
use crate::abi::{
    Error, SLOT_ANY, SLOT_DEVICE_CONTROL, SLOT_FIRST_FREE, SLOT_FIRST_THREAD, SLOT_NONE, SLOT_OWN_PROGRAM, SystemCall,
};
use crate::message::{done, plain};

/// A place in a program's capability space, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Slot(u64);

impl Slot {
    /// No slot, where a capability is optional.
    pub const NONE: Self = Self(SLOT_NONE);
    /// Any slot that is empty, where one is to be filled.
    pub const ANY: Self = Self(SLOT_ANY);
    /// The first that is empty in a new program: what it is granted before it runs comes here, in order.
    pub const FIRST_FREE: Self = Self(SLOT_FIRST_FREE);

    /// The slot with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number, for arguments of programs and for messages.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// What every capability has.
pub trait Capability: Copy {
    /// The slot that it is in.
    #[must_use]
    fn slot(self) -> Slot;

    /// The capability in a slot.
    #[must_use]
    fn from_slot(slot: Slot) -> Self;

    /// Makes a copy in this program's space, with these rights as far as this one has them. A badge other than 0 marks what is
    /// sent and signalled by it.
    ///
    /// # Errors
    /// [`Error::BadCapability`], [`Error::QuotaReached`], [`Error::OutOfMemory`].
    fn copy(self, rights: Rights, badge: u64) -> Result<Self, Error> {
        let arguments = [self.slot().0, rights.bits(), badge, SLOT_NONE, 0, 0];
        plain(SystemCall::CopyCapability, arguments).map(|slot| Self::from_slot(Slot(slot)))
    }

    /// Makes a copy in another program's space; answers the slot there.
    ///
    /// # Errors
    /// [`Error::NoRight`] without [`Rights::GRANT`]; as for [`Self::copy`].
    fn grant(self, program: Program, rights: Rights, badge: u64) -> Result<Slot, Error> {
        plain(SystemCall::CopyCapability, [self.slot().0, rights.bits(), badge, program.0, 0, 0]).map(Slot)
    }

    /// Moves it to another slot of this program's space, an empty one or [`Slot::ANY`].
    ///
    /// # Errors
    /// [`Error::WrongState`] if the slot is not empty; [`Error::BadCapability`].
    fn move_to(self, destination: Slot) -> Result<Self, Error> {
        let moved = plain(SystemCall::MoveCapability, [self.slot().0, SLOT_NONE, destination.0, 0, 0, 0]);
        moved.map(|slot| Self::from_slot(Slot(slot)))
    }

    /// Moves it to a slot of another program's space, an empty one or [`Slot::ANY`]; answers the slot there.
    ///
    /// # Errors
    /// [`Error::NoRight`] without [`Rights::GRANT`]; as for [`Self::move_to`].
    fn give(self, program: Program, destination: Slot) -> Result<Slot, Error> {
        plain(SystemCall::MoveCapability, [self.slot().0, program.0, destination.0, 0, 0, 0]).map(Slot)
    }

    /// Gives it up. What was derived from it stays.
    ///
    /// # Errors
    /// [`Error::BadCapability`].
    fn delete(self) -> Result<(), Error> {
        done(SystemCall::DeleteCapability, [self.slot().0, 0, 0, 0, 0, 0])
    }

    /// Takes away all that was derived from it, in whatever program.
    ///
    /// # Errors
    /// [`Error::BadCapability`].
    fn revoke(self) -> Result<(), Error> {
        done(SystemCall::RevokeCapability, [self.slot().0, 0, 0, 0, 0, 0])
    }
}

macro_rules! capabilities {
    ($($(#[$documentation:meta])* $name:ident;)*) => {$(
        $(#[$documentation])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(transparent)]
        pub struct $name(u64);

        impl $name {
            /// The slot that it is in.
            #[must_use]
            #[inline(always)]
            pub const fn slot(self) -> Slot {
                Slot(self.0)
            }

            /// The capability in a slot.
            #[must_use]
            #[inline(always)]
            pub const fn from_slot(slot: Slot) -> Self {
                Self(slot.0)
            }

            /// The number that calls take.
            #[inline(always)]
            pub(crate) const fn number(self) -> u64 {
                self.0
            }
        }

        impl Capability for $name {
            #[inline(always)]
            fn slot(self) -> Slot {
                Slot(self.0)
            }

            #[inline(always)]
            fn from_slot(slot: Slot) -> Self {
                Self(slot.0)
            }
        }
    )*};
}

capabilities! {
    /// Where messages are sent to and received from.
    Endpoint;
    /// Bits that are signalled and waited for.
    Notification;
    /// The right to reply to one message, once: see [`Reply::save`].
    Reply;
    /// A page that programs share.
    Frame;
    /// A thread, of this program or another.
    Thread;
    /// A program: its memory and its threads.
    Program;
    /// A timer of the kernel.
    Timer;
    /// An interrupt line, or a message of a PCI function.
    Interrupt;
    /// A range of I/O ports.
    Ports;
    /// A PCI function.
    Device;
    /// The right to make interrupts, ports and devices, and to read the console.
    DeviceControl;
}

impl Thread {
    /// The calling thread, whatever capabilities there are of it; for calls alone.
    pub const CURRENT: Self = Self(SLOT_NONE);
    /// The thread that this program started with.
    pub const FIRST: Self = Self(SLOT_FIRST_THREAD);
}

impl Program {
    /// This program.
    pub const OWN: Self = Self(SLOT_OWN_PROGRAM);
}

impl DeviceControl {
    /// What the first program starts with; in others the slot is an ordinary one.
    pub const OF_FIRST_PROGRAM: Self = Self(SLOT_DEVICE_CONTROL);
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, Rights, Slot, Thread};

    #[test]
    fn slots_and_capabilities_are_made_of_each_other() {
        let endpoint = Endpoint::from_slot(Slot::new(7));
        assert_eq!(endpoint.slot().number(), 7);
        assert_eq!(Thread::CURRENT.slot(), Slot::NONE);
    }

    #[test]
    fn rights_add_up() {
        let both = Rights::READ | Rights::WRITE;
        assert_eq!(both.bits(), Rights::READ.bits() + Rights::WRITE.bits());
        assert_eq!(both | Rights::ALL, Rights::ALL);
    }
}
