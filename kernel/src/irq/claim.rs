//! One object of each line and message.

use alloc::vec::Vec;

use gatehouse_abi::Error;

use crate::memory::fallible;
use crate::sync::{Mutex, rank};

/// What there are objects of.
static CLAIMED: Mutex<Vec<Identity>, rank::Lines> = Mutex::new(Vec::new());

/// What there may be one object of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A line, by its global system interrupt.
    Line(u32),
    /// A message, by the function's address and its number.
    Message(u64, u64),
}

/// The right to make an object of something; until it is dropped there is no other.
#[derive(Debug)]
pub struct Claim(Identity);

impl Claim {
    /// Claims it.
    ///
    /// # Errors
    /// [`Error::WrongState`] if somebody has, [`Error::OutOfMemory`].
    pub fn new(identity: Identity) -> Result<Self, Error> {
        let mut claimed = CLAIMED.lock();
        if claimed.contains(&identity) {
            return Err(Error::WrongState);
        }
        fallible::push(&mut claimed, identity)?;
        Ok(Self(identity))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        CLAIMED.lock().retain(|identity| *identity != self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::{Claim, Error, Identity};

    #[test]
    fn there_is_one_at_a_time() {
        let [line, message] = [Identity::Line(70), Identity::Message(70, 70)];
        let claim = Claim::new(line).unwrap();
        assert_eq!(Claim::new(line).err(), Some(Error::WrongState));
        assert!(Claim::new(message).is_ok());
        drop(claim);
        assert!(Claim::new(line).is_ok());
    }
}
