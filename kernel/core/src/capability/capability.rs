//! What lies in a slot.

use lock_api::RawMutex;

use super::{Error, Rights};

/// Something that capabilities refer to: a counted reference, as a rule.
pub trait Object: Sized {
    /// Who holds a binding: a capability that lies in no slot.
    type Holder;
    /// The lock of the forest; taken before that of a space.
    type ForestLock: RawMutex;
    /// The lock of a space.
    type SpaceLock: RawMutex;

    /// Another reference to the same object, or nothing if it cannot have one more.
    ///
    /// Runs under the locks of a forest and of a space: it may call neither, and should cost a few instructions.
    fn share(&self) -> Option<Self>;
}

/// An object, what may be done with it, and the number by which its receiver tells who it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability<O> {
    /// The object.
    pub object: O,
    /// What may be done with it.
    pub rights: Rights,
    /// Any number; 0 is none.
    pub badge: u64,
}

impl<O> Capability<O> {
    /// Asks for rights.
    ///
    /// # Errors
    /// [`Error::NotPermitted`] if one of them is missing.
    pub fn require(&self, rights: Rights) -> Result<(), Error> {
        if self.rights.contains(rights) { Ok(()) } else { Err(Error::NotPermitted) }
    }
}

impl<O: Object> Capability<O> {
    /// The same capability once more.
    ///
    /// # Errors
    /// [`Error::Exhausted`] if the object cannot be shared.
    pub fn share(&self) -> Result<Self, Error> {
        let object = self.object.share().ok_or(Error::Exhausted)?;
        Ok(Self { object, rights: self.rights, badge: self.badge })
    }
}
