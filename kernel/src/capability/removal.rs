//! Taking capabilities away, and handing out what was taken.

use alloc::sync::Arc;
use core::fmt;
use core::iter::FusedIterator;
use core::mem;

use super::forest::Place;
use super::tree::{NodeId, Tree};
use super::{Binding, Capability, CapabilitySpace, Error, Forest, Object, Slot};

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

/// What an operation removed, in no particular order. No lock is held between the items, and nothing is allocated.
///
/// Dropping it drops the capabilities that are left in it, and leaves the holders of bindings untold.
#[must_use = "bindings must be cleared at their holders"]
pub struct Removed<'forest, O: Object> {
    forest: &'forest Forest<O>,
    head: Option<NodeId>,
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
        let mut head = None;
        let mut tree = self.lock();
        if !space.inspect(slot, condition)? {
            return Err(Error::NoSuchSlot);
        }
        let entry = space.table.lock().take(slot).ok_or(Error::NoSuchSlot)?;
        delete_node(&mut tree, entry.node, entry.capability, &mut head);
        Ok(Removed { forest: self, head })
    }

    /// Removes everything that was derived from a capability, and what was derived from that, wherever it is. The
    /// capability itself stays.
    ///
    /// # Errors
    /// [`Error::NoSuchSlot`].
    pub fn revoke(&self, space: &Arc<CapabilitySpace<O>>, slot: Slot) -> Result<Removed<'_, O>, Error> {
        let mut head = None;
        let mut tree = self.lock();
        let top = space.table.lock().get(slot)?.node;
        let mut node = top;
        // Leaves first: each step goes down a link or removes a node, so the walk is linear and needs no stack.
        loop {
            while let Some(child) = tree.first_child(node) {
                node = child;
            }
            if node == top {
                return Ok(Removed { forest: self, head });
            }
            let above = tree.parent(node).unwrap_or(top);
            retire_leaf(&mut tree, node, &mut head);
            node = above;
        }
    }

    /// Ends a space: each of its capabilities is deleted as by [`Self::delete`], and its quota becomes 0.
    pub fn end(&self, space: &Arc<CapabilitySpace<O>>) -> Removed<'_, O> {
        let mut head = None;
        let mut tree = self.lock();
        let entries = space.table.lock().close();
        for entry in entries {
            delete_node(&mut tree, entry.node, entry.capability, &mut head);
        }
        Removed { forest: self, head }
    }
}

/// Takes a node whose capability has left its slot out of its tree and chains it, and the bindings to it.
fn delete_node<O: Object>(
    tree: &mut Tree<Place<O>>,
    node: NodeId,
    capability: Capability<O>,
    head: &mut Option<NodeId>,
) {
    let mut child = tree.first_child(node);
    while let Some(this) = child {
        child = tree.next(this);
        if matches!(tree.content(this), Some(Place::Bound { .. })) {
            retire_leaf(tree, this, head);
        }
    }
    tree.splice_out(node);
    if let Some(place) = tree.content_mut(node) {
        *place = Place::Removed(Taken::Capability(capability));
    }
    tree.chain(node, head);
}

/// Takes a node without children out of its tree and chains it; if it stands for a slot, empties the slot.
fn retire_leaf<O: Object>(tree: &mut Tree<Place<O>>, node: NodeId, head: &mut Option<NodeId>) {
    tree.detach(node);
    let serial = tree.serial(node).unwrap_or_default();
    tree.change(node, |place| match place {
        Place::Slot { space, slot } => {
            let entry = space.table.lock().take(slot);
            match entry {
                Some(entry) => Place::Removed(Taken::Capability(entry.capability)),
                // A slot that is empty, against the invariant, leaves a node with nothing to hand out: `next` skips it.
                None => Place::Slot { space, slot },
            }
        }
        Place::Bound { holder } => Place::Removed(Taken::Binding { binding: Binding { node, serial }, holder }),
        Place::Removed(taken) => Place::Removed(taken),
    });
    tree.chain(node, head);
}

impl<O: Object> Iterator for Removed<'_, O> {
    type Item = Taken<O>;

    fn next(&mut self) -> Option<Taken<O>> {
        while self.head.is_some() {
            let place = self.forest.lock().unchain(&mut self.head);
            if let Some(Place::Removed(taken)) = place {
                return Some(taken);
            }
        }
        None
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
        formatter.debug_struct("Removed").field("is_empty", &self.head.is_none()).finish_non_exhaustive()
    }
}
