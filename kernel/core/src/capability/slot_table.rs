//! The slots of one space, without locks.
//!
//! Free slots form a list through the table, newest first, linked both ways so that any of them can be taken at once.

use alloc::vec::Vec;
use core::mem;

use super::tree::NodeId;
use super::{Capability, Destination, Error, Slot};
use crate::fallible;

/// A capability with its node in the forest.
#[derive(Debug)]
pub(super) struct Entry<O> {
    pub capability: Capability<O>,
    pub node: NodeId,
}

#[derive(Debug)]
enum Cell<O> {
    Free { previous: Option<Slot>, next: Option<Slot> },
    Used(Entry<O>),
}

/// What is next in a table that is closed.
pub(super) enum Closed<O> {
    /// An entry.
    Entry(Entry<O>),
    /// Nothing up to where the place is counted now.
    Nothing,
    /// Nothing at all: the table's memory, to be freed with no lock held.
    End(ClosedTable<O>),
}

/// The memory of a table that is closed and empty.
pub(super) struct ClosedTable<O> {
    _cells: Vec<Cell<O>>,
}

/// Makes a place free that is in no list.
fn empty<O>(cell: &mut Cell<O>) -> Option<Entry<O>> {
    match mem::replace(cell, Cell::Free { previous: None, next: None }) {
        Cell::Used(entry) => Some(entry),
        Cell::Free { .. } => None,
    }
}

/// The slots 1 to `cells.len()`, which is at most `quota`.
#[derive(Debug)]
pub struct SlotTable<O> {
    cells: Vec<Cell<O>>,
    /// What was in `cells` when the space ended. No lookup finds it; it goes by and by.
    closing: Vec<Cell<O>>,
    newest_free: Option<Slot>,
    used: u32,
    quota: u32,
}

impl<O> SlotTable<O> {
    pub(super) const fn new(quota: u32) -> Self {
        Self { cells: Vec::new(), closing: Vec::new(), newest_free: None, used: 0, quota }
    }

    pub(super) const fn used(&self) -> u32 {
        self.used
    }

    pub(super) const fn quota(&self) -> u32 {
        self.quota
    }

    pub(super) fn get(&self, slot: Slot) -> Result<&Entry<O>, Error> {
        match self.cells.get(slot.index()) {
            Some(Cell::Used(entry)) => Ok(entry),
            _ => Err(Error::NoSuchSlot),
        }
    }

    /// The capability in the slot with this number; any number may be asked for.
    #[must_use]
    #[inline(always)]
    pub fn at(&self, number: u64) -> Option<&Capability<O>> {
        // Number 0 becomes the largest index, which no table reaches.
        match self.cells.get((number as usize).wrapping_sub(1)) {
            Some(Cell::Used(entry)) => Some(&entry.capability),
            _ => None,
        }
    }

    /// The free slot for a destination, with memory behind it: [`Self::put`] accepts it as long as nothing else is put.
    pub(super) fn prepare(&mut self, destination: Destination) -> Result<Slot, Error> {
        let slot = match destination {
            Destination::AnyFree => match self.newest_free {
                Some(free) => return Ok(free),
                None if self.cells.len() < self.quota as usize => {
                    Slot::from_index(self.cells.len()).ok_or(Error::Full)?
                }
                None => return Err(Error::Full),
            },
            Destination::At(slot) if slot.number() > u64::from(self.quota) => return Err(Error::NoSuchSlot),
            Destination::At(slot) => slot,
        };
        self.grow(slot)?;
        match self.cells.get(slot.index()) {
            Some(Cell::Free { .. }) => Ok(slot),
            _ => Err(Error::SlotInUse),
        }
    }

    /// Fills a free slot. An entry for a slot that is not free comes back.
    pub(super) fn put(&mut self, slot: Slot, entry: Entry<O>) -> Option<Entry<O>> {
        let Some(cell) = self.cells.get_mut(slot.index()) else { return Some(entry) };
        let Cell::Free { previous, next } = *cell else { return Some(entry) };
        *cell = Cell::Used(entry);
        self.used += 1;
        match previous {
            Some(previous) => self.set_next(previous, next),
            None => self.newest_free = next,
        }
        if let Some(next) = next {
            self.set_previous(next, previous);
        }
        None
    }

    /// Empties a slot, of a table that is closed as well.
    pub(super) fn take(&mut self, slot: Slot) -> Option<Entry<O>> {
        if let Some(cell) = self.closing.get_mut(slot.index()) {
            return empty(cell);
        }
        let cell = self.cells.get_mut(slot.index())?;
        if !matches!(cell, Cell::Used(_)) {
            return None;
        }
        let taken = empty(cell);
        self.used -= 1;
        self.link(slot);
        taken
    }

    /// Sets the quota to 0 and lets nobody find anything any more. [`Self::take_closed`] takes the entries out.
    pub(super) fn close(&mut self) {
        if self.closing.is_empty() {
            self.closing = mem::take(&mut self.cells);
        }
        (self.newest_free, self.used, self.quota) = (None, 0, 0);
    }

    /// Takes the next entry out of a table that is closed, from a place on that is counted on, after a look at `looks` places
    /// at most.
    pub(super) fn take_closed(&mut self, place: &mut usize, looks: usize) -> Closed<O> {
        for _ in 0..looks {
            let Some(cell) = self.closing.get_mut(*place) else {
                return Closed::End(ClosedTable { _cells: mem::take(&mut self.closing) });
            };
            *place += 1;
            if let Some(entry) = empty(cell) {
                return Closed::Entry(entry);
            }
        }
        Closed::Nothing
    }

    /// Makes the table reach a slot; of the new free ones, the lowest is taken first.
    fn grow(&mut self, last: Slot) -> Result<(), Error> {
        let old = self.cells.len();
        let Some(more) = (last.index() + 1).checked_sub(old) else { return Ok(()) };
        fallible::reserve(&mut self.cells, more).map_err(|_| Error::Exhausted)?;
        #[expect(clippy::disallowed_methods, reason = "there is room for them")]
        self.cells.extend((0..more).map(|_| Cell::Free { previous: None, next: None }));
        for slot in (old..old + more).rev().filter_map(Slot::from_index) {
            self.link(slot);
        }
        Ok(())
    }

    /// Puts a free slot that is not in the list at its head.
    fn link(&mut self, slot: Slot) {
        let next = self.newest_free.replace(slot);
        self.set_next(slot, next);
        if let Some(next) = next {
            self.set_previous(next, Some(slot));
        }
    }

    fn set_next(&mut self, slot: Slot, to: Option<Slot>) {
        if let Some(Cell::Free { next, .. }) = self.cells.get_mut(slot.index()) {
            *next = to;
        }
    }

    fn set_previous(&mut self, slot: Slot, to: Option<Slot>) {
        if let Some(Cell::Free { previous, .. }) = self.cells.get_mut(slot.index()) {
            *previous = to;
        }
    }
}
