//! The capability spaces of programs.

use alloc::sync::Arc;

use gatehouse_core::capability::{Capability, CapabilitySpace, Forest};

use super::AnyObject;
use crate::memory::fallible::{self, OutOfHeap};
use crate::sync::try_lock_briefly;

/// A program's capabilities.
pub type Space = Arc<CapabilitySpace<AnyObject>>;

/// Who was derived from whom, over all spaces.
pub static FOREST: Forest<AnyObject> = Forest::new();

/// The most capabilities that a program may hold.
const QUOTA: u32 = 4096;

/// An empty space.
///
/// # Errors
/// [`OutOfHeap`].
pub fn new_space() -> Result<Space, OutOfHeap> {
    fallible::new_arc(CapabilitySpace::new(QUOTA))
}

/// Looking at a capability on a fast path.
pub trait TryInspect {
    /// Looks at a capability where it is, without waiting: nothing if somebody else has the space's lock, or the slot is empty.
    /// `look` calls nothing deep, and waits for no lock.
    fn try_inspect<R>(&self, slot: u64, look: impl FnOnce(&Capability<AnyObject>) -> Option<R>) -> Option<R>;
}

impl TryInspect for CapabilitySpace<AnyObject> {
    #[inline(always)]
    fn try_inspect<R>(&self, slot: u64, look: impl FnOnce(&Capability<AnyObject>) -> Option<R>) -> Option<R> {
        let table = try_lock_briefly(self.table())?;
        table.at(slot).and_then(look)
    }
}
