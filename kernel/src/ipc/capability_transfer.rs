//! Capabilities that travel in messages.
//!
//! They are copied, so what arrives is derived from what was sent. The sender names its slots in its message buffer, the
//! receiver where it is willing to take them; both are looked at when the message moves. What cannot go then stays behind,
//! with all that follow, and the message goes all the same: its tag says how many arrived.

use gatehouse_abi::{Error, MessageTag, SLOT_ANY, UTCB_CAPABILITIES, UTCB_RECEIVE_SLOTS};
use gatehouse_core::capability::{Destination, Rights, Slot};

use crate::object::FOREST;
use crate::thread::Thread;

/// Checks what a message is to carry, before it is sent.
///
/// # Errors
/// [`Error::BadCapability`] for an empty slot; [`Error::NoRight`] for a capability that may not leave its program.
pub fn check(sender: &Thread, tag: MessageTag) -> Result<(), Error> {
    for index in 0..tag.capabilities() {
        let slot = Slot::new(named(sender, UTCB_CAPABILITIES, index)).ok_or(Error::BadCapability)?;
        let may_go =
            sender.program().capabilities().inspect(slot, |capability| capability.require(Rights::GRANT).is_ok());
        match may_go {
            Ok(true) => {}
            Ok(false) => return Err(Error::NoRight),
            Err(_) => return Err(Error::BadCapability),
        }
    }
    Ok(())
}

/// Copies what the message carries; answers how much arrived. The caller owns both threads.
pub(super) fn copy_capabilities(sender: &Thread, receiver: &Thread, count: u64) -> u64 {
    for index in 0..count {
        let Some(slot) = copy_one(sender, receiver, index) else { return index };
        receiver.utcb().set(UTCB_CAPABILITIES.saturating_add(index as usize), slot);
    }
    count
}

fn copy_one(sender: &Thread, receiver: &Thread, index: u64) -> Option<u64> {
    let source = Slot::new(named(sender, UTCB_CAPABILITIES, index))?;
    let destination = match named(receiver, UTCB_RECEIVE_SLOTS, index) {
        SLOT_ANY => Destination::AnyFree,
        number => Destination::At(Slot::new(number)?),
    };
    let (from, to) = (sender.program().capabilities(), receiver.program().capabilities());
    FOREST.copy(from, source, to, destination, Rights::ALL).ok().map(Slot::number)
}

fn named(thread: &Thread, first: usize, index: u64) -> u64 {
    thread.utcb().get(first.saturating_add(index as usize))
}
