//! Capabilities: what programs hold instead of pointers and ids.

#![expect(clippy::disallowed_methods, reason = "a set of bits extends itself in place: `bitflags` makes that method")]

/// Rights of a capability, one bit each. A copy has the same or fewer.
pub mod rights {
    /// Send to the endpoint; signal the notification.
    pub const SEND: u64 = 1;
    /// Receive from the endpoint; wait for the notification.
    pub const RECEIVE: u64 = 1 << 1;
    /// Copy the capability to other programs.
    pub const GRANT: u64 = 1 << 2;
    /// Read the thread's registers, the space's memory, the frame.
    pub const READ: u64 = 1 << 3;
    /// Write them.
    pub const WRITE: u64 = 1 << 4;
    /// Start, stop and end the thread or program; bind fault handlers and interrupts; make objects of devices.
    pub const CONTROL: u64 = 1 << 5;
    /// All of them.
    pub const ALL: u64 = (1 << 6) - 1;
}

bitflags::bitflags! {
    /// A set of rights: what a capability lets its holder do.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct Rights: u64 {
        /// Send to the endpoint; signal the notification.
        const SEND = rights::SEND;
        /// Receive from the endpoint; wait for the notification.
        const RECEIVE = rights::RECEIVE;
        /// Copy or move the capability to other programs.
        const GRANT = rights::GRANT;
        /// Read the thread's registers, the program's memory, the frame.
        const READ = rights::READ;
        /// Write them.
        const WRITE = rights::WRITE;
        /// Start, stop and end the thread or program; bind fault handlers and interrupts; make objects of devices.
        const CONTROL = rights::CONTROL;
    }
}

impl Rights {
    /// No right at all.
    pub const NONE: Self = Self::empty();
    /// All of them.
    pub const ALL: Self = Self::all();
}

/// The capability that every program starts with: its own program (memory and threads).
pub const SLOT_OWN_PROGRAM: u64 = 1;
/// The capability of the thread that a program starts with.
pub const SLOT_FIRST_THREAD: u64 = 2;
/// The capability that the first program starts with besides: the right to make interrupts and ranges of I/O ports.
pub const SLOT_DEVICE_CONTROL: u64 = 3;
/// The first slot that is free in a new program: what is granted to it before it starts comes here, in order.
pub const SLOT_FIRST_FREE: u64 = 3;
/// Stands for any slot that is free, where one is to be filled.
pub const SLOT_ANY: u64 = u64::MAX;
/// Stands for "none" where a capability is optional.
pub const SLOT_NONE: u64 = 0;

#[cfg(test)]
mod tests {
    use super::{Rights, rights};

    #[test]
    fn unknown_bits_are_refused() {
        assert_eq!(Rights::ALL.bits(), rights::ALL);
        assert_eq!(Rights::from_bits(rights::ALL), Some(Rights::ALL));
        assert_eq!(Rights::from_bits(0), Some(Rights::NONE));
        assert_eq!(Rights::from_bits(rights::ALL + 1), None);
        assert_eq!(Rights::from_bits(u64::MAX), None);
    }

    #[test]
    fn intersections_only_shrink() {
        for first in (0..=rights::ALL).map(Rights::from_bits_truncate) {
            for second in (0..=rights::ALL).map(Rights::from_bits_truncate) {
                let both = first & second;
                assert!(first.contains(both) && second.contains(both));
                assert_eq!(both.bits(), first.bits() & second.bits());
            }
        }
        assert!(!Rights::SEND.contains(Rights::SEND | Rights::GRANT));
    }
}
