//! Taking capabilities away, and handing out what was taken.
//!
//! One step at a time: each takes the forest's lock for a bounded number of nodes ([`MOVES_AT_ONCE`]) and leaves the forest as
//! its invariants have it, so that whatever comes between two steps finds nothing half done. What it costs is linear in what
//! is removed. That is so because what is below a capability that goes stays where it is: its node becomes a *ghost*, which
//! has nothing in a slot, as long as it has several children. With one child left the child takes its place, without any it
//! goes. So there are fewer ghosts than capabilities, and a walk down the forest meets what it would without them.

use alloc::sync::Arc;
use core::fmt;
use core::iter::FusedIterator;
use core::mem;

use super::forest::Place;
use super::slot_table::{Closed, Entry};
use super::tree::{NodeId, Tree};
use super::{Binding, Capability, CapabilitySpace, Error, Forest, Object, Slot};

/// How many nodes are moved before the forest's lock is released.
const MOVES_AT_ONCE: usize = 16;

/// How many slots are looked at before the forest's lock is released.
const SLOTS_AT_ONCE: usize = 64;

/// Something that was removed.
#[derive(Debug)]
pub enum Taken<O: Object> {
    /// A capability that was in a slot.
    Capability(Capability<O>),
    /// A binding: its holder still has the capability and must be made to drop it, unless it has changed its binding
    /// since.
    Binding {
        /// As [`Forest::bind`] answered it.
        binding: Binding,
        /// As [`Forest::bind`] was told.
        holder: O::Holder,
    },
}

/// What an operation removes, in no particular order. No lock is held between the items, and nothing is allocated. What is
/// still to be removed is removed as the items are asked for.
///
/// Dropping it removes and drops what is left, and leaves the holders of bindings untold.
#[must_use = "bindings must be cleared at their holders"]
pub struct Removed<'forest, O: Object> {
    forest: &'forest Forest<O>,
    source: Source<O>,
    leaving: Option<Leaving<O>>,
}

/// Where more to remove is found.
enum Source<O: Object> {
    /// Nowhere.
    Nothing,
    /// In a space that ends, from a place on.
    Space { space: Arc<CapabilitySpace<O>>, place: usize },
    /// Below a node, as long as its serial number is this.
    Below { top: NodeId, serial: u64 },
}

/// A capability that has left its slot.
struct Leaving<O: Object> {
    capability: Capability<O>,
    /// Its node, with the serial number, as long as it has bindings.
    bound: Option<(NodeId, u64)>,
    /// Dropped with no lock held: it refers to a space.
    _place: Option<Place<O>>,
}

/// What came of one step.
#[expect(missing_debug_implementations, reason = "holders need not have any")]
pub enum Step<O: Object> {
    /// This was removed.
    Taken(Taken<O>),
    /// There may be more.
    More,
    /// There is nothing more.
    Done,
}

impl<O: Object> Forest<O> {
    /// Empties a slot. What was derived from the capability counts as derived from its parent afterwards, or from nothing;
    /// bindings to the capability itself are removed.
    ///
    /// # Errors
    /// [`Error::NoSuchSlot`].
    pub fn delete(&self, space: &Arc<CapabilitySpace<O>>, slot: Slot) -> Result<Removed<'_, O>, Error> {
        self.delete_if(space, slot, |_| true)
    }

    /// The same if the capability is as `condition` says, which runs under the locks and may call neither forest nor space.
    ///
    /// # Errors
    /// [`Error::NoSuchSlot`], also for another capability.
    pub fn delete_if(
        &self,
        space: &Arc<CapabilitySpace<O>>,
        slot: Slot,
        condition: impl FnOnce(&Capability<O>) -> bool,
    ) -> Result<Removed<'_, O>, Error> {
        let mut tree = self.lock();
        if !space.inspect(slot, condition)? {
            return Err(Error::NoSuchSlot);
        }
        let entry = space.table.lock().take(slot).ok_or(Error::NoSuchSlot)?;
        let leaving = Some(leave(&mut tree, entry));
        Ok(Removed { forest: self, source: Source::Nothing, leaving })
    }

    /// Removes everything that was derived from a capability, and what was derived from that, wherever it is. The
    /// capability itself stays. If it is deleted before all of that is gone, the rest stays.
    ///
    /// # Errors
    /// [`Error::NoSuchSlot`].
    pub fn revoke(&self, space: &Arc<CapabilitySpace<O>>, slot: Slot) -> Result<Removed<'_, O>, Error> {
        let tree = self.lock();
        let top = space.table.lock().get(slot)?.node;
        let serial = tree.serial(top).ok_or(Error::NoSuchSlot)?;
        Ok(Removed { forest: self, source: Source::Below { top, serial }, leaving: None })
    }

    /// Ends a space: each of its capabilities is deleted as by [`Self::delete`], and its quota becomes 0. From now on nobody
    /// finds anything there.
    pub fn end(&self, space: &Arc<CapabilitySpace<O>>) -> Removed<'_, O> {
        let _tree = self.lock();
        space.table.lock().close();
        Removed { forest: self, source: Source::Space { space: Arc::clone(space), place: 0 }, leaving: None }
    }
}

/// A capability has left its slot: its node becomes a ghost, and goes if nothing needs it.
fn leave<O: Object>(tree: &mut Tree<Place<O>>, entry: Entry<O>) -> Leaving<O> {
    let Entry { capability, node } = entry;
    let place = tree.content_mut(node).map(|place| mem::replace(place, Place::Ghost));
    let bound = tree.first_bound(node).and_then(|_| tree.serial(node)).map(|serial| (node, serial));
    if bound.is_none() {
        tidy(tree, node);
    }
    Leaving { capability, bound, _place: place }
}

/// Removes a ghost that is not needed. A node that is not a ghost, or has bindings, stays.
fn tidy<O: Object>(tree: &mut Tree<Place<O>>, ghost: NodeId) {
    let is_ghost = |tree: &Tree<Place<O>>, node| matches!(tree.content(node), Some(Place::Ghost));
    let mut next = Some(ghost);
    // It goes up only from one that had no children, whose parent had another: two turns at most.
    while let Some(node) = next.take().filter(|node| is_ghost(tree, *node) && tree.first_bound(*node).is_none()) {
        let parent = tree.parent(node);
        if let Some(child) = tree.only_child(node) {
            tree.move_below(child, parent);
        } else if tree.first_child(node).is_none() {
            next = parent;
        } else {
            return;
        }
        tree.detach(node);
        tree.free(node);
    }
}

/// Takes a binding away.
fn unbind<O: Object>(tree: &mut Tree<Place<O>>, node: NodeId) -> Option<Taken<O>> {
    let serial = tree.serial(node)?;
    tree.detach(node);
    match tree.free(node)? {
        Place::Bound { holder } => Some(Taken::Binding { binding: Binding { node, serial }, holder }),
        // Only bindings are bound.
        Place::Slot { .. } | Place::Ghost => None,
    }
}

impl<O: Object> Removed<'_, O> {
    /// Removes one thing more, if it is found in a bounded number of steps.
    pub fn step(&mut self) -> Step<O> {
        if self.leaving.is_some() {
            return self.next_of_leaving();
        }
        match &mut self.source {
            Source::Nothing => Step::Done,
            Source::Space { space, place } => {
                let mut tree = self.forest.lock();
                let closed = space.table.lock().take_closed(place, SLOTS_AT_ONCE);
                match closed {
                    Closed::Entry(entry) => self.leaving = Some(leave(&mut tree, entry)),
                    Closed::Nothing => return Step::More,
                    Closed::End(table) => {
                        drop(tree);
                        drop(table);
                        self.source = Source::Nothing;
                        return Step::Done;
                    }
                }
                drop(tree);
                self.next_of_leaving()
            }
            &mut Source::Below { top, serial } => self.next_below(top, serial),
        }
    }

    /// A binding to what has left its slot; if there is none, the capability itself.
    fn next_of_leaving(&mut self) -> Step<O> {
        if let Some(leaving) = &mut self.leaving
            && let Some((node, serial)) = leaving.bound
        {
            let mut tree = self.forest.lock();
            // Whoever revokes above it may have been faster.
            let is_same = matches!(tree.content(node), Some(Place::Ghost)) && tree.serial(node) == Some(serial);
            let first = if is_same { tree.first_bound(node) } else { None };
            let taken = first.and_then(|bound| unbind(&mut tree, bound));
            match taken {
                Some(taken) => return Step::Taken(taken),
                None => leaving.bound = None,
            }
            if is_same {
                tidy(&mut tree, node);
            }
        }
        self.leaving.take().map_or(Step::Done, |leaving| Step::Taken(Taken::Capability(leaving.capability)))
    }

    /// Something from below a node. What is below a ghost right below it is moved up: for everybody else it is where it was.
    fn next_below(&mut self, top: NodeId, serial: u64) -> Step<O> {
        let mut tree = self.forest.lock();
        for _ in 0..MOVES_AT_ONCE {
            let is_same = matches!(tree.content(top), Some(Place::Slot { .. })) && tree.serial(top) == Some(serial);
            if !is_same {
                self.source = Source::Nothing;
                return Step::Done;
            }
            let bound = tree.first_bound(top);
            let child = tree.first_child(top);
            let bound = bound.or_else(|| child.and_then(|child| tree.first_bound(child)));
            if let Some(taken) = bound.and_then(|bound| unbind(&mut tree, bound)) {
                return Step::Taken(taken);
            }
            let Some(child) = child else {
                self.source = Source::Nothing;
                return Step::Done;
            };
            let entry = match tree.content(child) {
                Some(Place::Slot { space, slot }) => space.table.lock().take(*slot),
                _ => None,
            };
            if let Some(entry) = entry {
                self.leaving = Some(leave(&mut tree, entry));
                drop(tree);
                return self.next_of_leaving();
            }
            match tree.first_child(child) {
                Some(below) => tree.move_below(below, Some(top)),
                None => {
                    tree.detach(child);
                    tree.free(child);
                }
            }
            tidy(&mut tree, child);
        }
        Step::More
    }

    /// Leaves what was not removed yet as it is. Not for a space that ends: nobody else would take from it.
    pub fn stop(mut self) {
        // The bindings to what is revoked go before it does, so that no holder is left untold.
        debug_assert!(self.leaving.is_none(), "stopped in the middle of a deletion");
        if let Source::Below { .. } = self.source {
            self.source = Source::Nothing;
        }
    }
}

impl<O: Object> Iterator for Removed<'_, O> {
    type Item = Taken<O>;

    fn next(&mut self) -> Option<Taken<O>> {
        loop {
            match self.step() {
                Step::Taken(taken) => return Some(taken),
                Step::More => {}
                Step::Done => return None,
            }
        }
    }
}

impl<O: Object> FusedIterator for Removed<'_, O> {}

impl<O: Object> Drop for Removed<'_, O> {
    fn drop(&mut self) {
        self.for_each(mem::drop);
    }
}

impl<O: Object> fmt::Debug for Removed<'_, O> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_empty = self.leaving.is_none() && matches!(self.source, Source::Nothing);
        formatter.debug_struct("Removed").field("is_empty", &is_empty).finish_non_exhaustive()
    }
}
