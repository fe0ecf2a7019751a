//! One program's capabilities.

use core::fmt;

use lock_api::Mutex;

use super::slot_table::SlotTable;
use super::{Capability, Error, Object, Slot};

/// A table of slots, numbered from 1 up to a quota. Filled and emptied through the [`super::Forest`] only.
///
/// It grows as slots are used and keeps its size until [`super::Forest::end`].
pub struct CapabilitySpace<O: Object> {
    /// Changed with the forest's lock held too.
    pub(super) table: Mutex<O::SpaceLock, SlotTable<O>>,
}

impl<O: Object> CapabilitySpace<O> {
    /// An empty space that never has more than `quota` capabilities. Allocates nothing.
    #[must_use]
    pub const fn new(quota: u32) -> Self {
        Self { table: Mutex::new(SlotTable::new(quota)) }
    }

    /// How many slots are in use.
    #[must_use]
    pub fn used(&self) -> u32 {
        self.table.lock().used()
    }

    /// The most slots that can be in use; 0 once the space was ended.
    #[must_use]
    pub fn quota(&self) -> u32 {
        self.table.lock().quota()
    }

    /// The slots, by the space's lock, for who takes that in a way of its own. Whoever holds it may call neither the space nor the
    /// forest.
    #[must_use]
    #[inline(always)]
    pub const fn table(&self) -> &Mutex<O::SpaceLock, SlotTable<O>> {
        &self.table
    }

    /// Looks at a capability where it is. `look` runs under the space's lock: it may not call the space or the forest.
    ///
    /// # Errors
    /// [`Error::NoSuchSlot`].
    pub fn inspect<R>(&self, slot: Slot, look: impl FnOnce(&Capability<O>) -> R) -> Result<R, Error> {
        Ok(look(&self.table.lock().get(slot)?.capability))
    }

    /// The capability in a slot, shared: it stays usable when the slot is emptied.
    ///
    /// A capability that is being moved is for a moment in neither slot.
    ///
    /// # Errors
    /// [`Error::NoSuchSlot`]; [`Error::Exhausted`] if the object cannot be shared.
    pub fn get(&self, slot: Slot) -> Result<Capability<O>, Error> {
        self.table.lock().get(slot)?.capability.share()
    }
}

impl<O: Object> fmt::Debug for CapabilitySpace<O> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = formatter.debug_struct("CapabilitySpace");
        match self.table.try_lock() {
            Some(table) => text.field("used", &table.used()).field("quota", &table.quota()).finish(),
            None => text.finish_non_exhaustive(),
        }
    }
}
