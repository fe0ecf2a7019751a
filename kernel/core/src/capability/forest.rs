//! Where capabilities come from: making, copying, moving and binding them.

use alloc::sync::Arc;
use core::fmt;

use lock_api::{Mutex, MutexGuard};

use super::slot_table::Entry;
use super::tree::{NodeId, Tree};
use super::{Capability, CapabilitySpace, Destination, Error, Object, Rights, Slot};

/// What a node stands for.
pub(super) enum Place<O: Object> {
    /// The capability in this slot.
    Slot { space: Arc<CapabilitySpace<O>>, slot: Slot },
    /// A capability that somebody holds outside of all spaces.
    Bound { holder: O::Holder },
    /// A capability that is gone, and from which others were derived: they are still below whatever that one was below.
    Ghost,
}

/// Names one binding; never another one, even after it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Binding {
    pub(super) node: NodeId,
    pub(super) serial: u64,
}

/// The derivations of all capabilities in all spaces. A space works with one forest only.
///
/// The module's documentation has the invariants and the order of the locks.
pub struct Forest<O: Object> {
    tree: Mutex<O::ForestLock, Tree<Place<O>>>,
}

impl<O: Object> Forest<O> {
    /// A forest without trees. Allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { tree: Mutex::new(Tree::new()) }
    }

    /// Makes room for so many capabilities in all: memory is taken now, and not again until there are more.
    ///
    /// # Errors
    /// [`Error::Exhausted`].
    pub fn prepare(&self, capabilities: usize) -> Result<(), Error> {
        self.lock().prepare(capabilities)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, O::ForestLock, Tree<Place<O>>> {
        self.tree.lock()
    }

    #[cfg(test)]
    pub(super) fn try_lock(&self) -> Option<MutexGuard<'_, O::ForestLock, Tree<Place<O>>>> {
        self.tree.try_lock()
    }

    /// Puts a capability that is derived from no other into a space. If it is refused, it is dropped.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::SlotInUse`], [`Error::NoSuchSlot`] (a destination beyond the quota), [`Error::Exhausted`].
    pub fn insert(
        &self,
        space: &Arc<CapabilitySpace<O>>,
        destination: Destination,
        capability: Capability<O>,
    ) -> Result<Slot, Error> {
        // Declared before the guard, so dropped after it, as the argument is.
        let refused;
        let mut tree = self.lock();
        tree.reserve()?;
        let slot = space.table.lock().prepare(destination)?;
        let node = tree.add(None, Place::Slot { space: Arc::clone(space), slot })?;
        refused = space.table.lock().put(slot, Entry { capability, node });
        settle(&mut tree, node, slot, refused.as_ref())
    }

    /// Puts a capability of another object into a space, derived from the one in `source` there: whoever revokes that one
    /// takes this one away. It has those of the given rights that the source has. If it is refused, it is dropped.
    ///
    /// # Errors
    /// [`Error::NoSuchSlot`] (nothing there, or a destination beyond the quota), [`Error::SlotInUse`], [`Error::Full`],
    /// [`Error::Exhausted`].
    pub fn insert_below(
        &self,
        space: &Arc<CapabilitySpace<O>>,
        source: Slot,
        destination: Destination,
        capability: Capability<O>,
    ) -> Result<Slot, Error> {
        let refused;
        let mut tree = self.lock();
        tree.reserve()?;
        let slot = space.table.lock().prepare(destination)?;
        let (parent, rights) = {
            let table = space.table.lock();
            let entry = table.get(source)?;
            (entry.node, entry.capability.rights & capability.rights)
        };
        let node = tree.add(Some(parent), Place::Slot { space: Arc::clone(space), slot })?;
        refused = space.table.lock().put(slot, Entry { capability: Capability { rights, ..capability }, node });
        settle(&mut tree, node, slot, refused.as_ref())
    }

    /// Moves a capability, within its space or to another one. What was derived from it stays derived from it.
    ///
    /// # Errors
    /// [`Error::NoSuchSlot`] (nothing there, or a destination beyond the quota), [`Error::NotPermitted`] (to another space
    /// without [`Rights::GRANT`]), [`Error::SlotInUse`], [`Error::Full`], [`Error::Exhausted`].
    pub fn transfer(
        &self,
        from: &Arc<CapabilitySpace<O>>,
        slot: Slot,
        to: &Arc<CapabilitySpace<O>>,
        destination: Destination,
    ) -> Result<Slot, Error> {
        let refused;
        let mut tree = self.lock();
        from.inspect(slot, |capability| allow_passage(capability, from, to))??;
        let target = to.table.lock().prepare(destination)?;
        let entry = from.table.lock().take(slot).ok_or(Error::NoSuchSlot)?;
        let node = entry.node;
        if let Some(place) = tree.content_mut(node) {
            *place = Place::Slot { space: Arc::clone(to), slot: target };
        }
        refused = to.table.lock().put(target, entry);
        settle(&mut tree, node, target, refused.as_ref())
    }

    /// Forgets a binding: its holder gives the capability up. The holder drops the capability itself.
    ///
    /// # Errors
    /// [`Error::NoSuchSlot`] if the binding was removed before: then it is, or will be, reported to whoever removed it.
    pub fn unbind(&self, binding: Binding) -> Result<(), Error> {
        // Declared before the guard, so dropped after it: it holds the holder's name.
        let _forgotten;
        let mut tree = self.lock();
        check_bound(&tree, binding)?;
        tree.detach(binding.node);
        _forgotten = tree.free(binding.node);
        Ok(())
    }

    /// Derives a capability for the same object, with those of its rights that are in `rights`, and its badge.
    ///
    /// # Errors
    /// As those of [`Self::mint`]; never [`Error::BadgeFixed`].
    pub fn copy(
        &self,
        from: &Arc<CapabilitySpace<O>>,
        slot: Slot,
        to: &Arc<CapabilitySpace<O>>,
        destination: Destination,
        rights: Rights,
    ) -> Result<Slot, Error> {
        self.derive(from, slot, to, destination, |source| Ok((source.rights & rights, source.badge)))
    }

    /// Derives a capability for the same object, with those of its rights that are in `rights`, and with a badge. A
    /// capability that has a badge can only be minted with the same one.
    ///
    /// # Errors
    /// [`Error::NoSuchSlot`] (nothing there, or a destination beyond the quota), [`Error::NotPermitted`] (to another space
    /// without [`Rights::GRANT`]), [`Error::BadgeFixed`], [`Error::SlotInUse`], [`Error::Full`], [`Error::Exhausted`].
    pub fn mint(
        &self,
        from: &Arc<CapabilitySpace<O>>,
        slot: Slot,
        to: &Arc<CapabilitySpace<O>>,
        destination: Destination,
        rights: Rights,
        badge: u64,
    ) -> Result<Slot, Error> {
        self.derive(from, slot, to, destination, |source| {
            if source.badge != 0 && source.badge != badge {
                return Err(Error::BadgeFixed);
            }
            Ok((source.rights & rights, badge))
        })
    }

    /// Derives a capability that lies in no slot: the caller keeps it, and `holder` tells who that is. Deleting or
    /// revoking the source removes the binding, and [`super::Removed`] reports it.
    ///
    /// A binding can be removed and reported before the caller has noted it. So note it under the lock under which
    /// reports are looked up, and bind under that lock too; it is then taken before the forest's.
    ///
    /// # Errors
    /// [`Error::NoSuchSlot`], [`Error::Exhausted`].
    pub fn bind(
        &self,
        space: &Arc<CapabilitySpace<O>>,
        slot: Slot,
        holder: O::Holder,
    ) -> Result<(Binding, Capability<O>), Error> {
        let mut tree = self.lock();
        tree.reserve()?;
        let (parent, capability) = share_entry(space, slot)?;
        let node = tree.add_bound(Some(parent), Place::Bound { holder })?;
        let serial = tree.serial(node).ok_or(Error::Exhausted)?;
        Ok((Binding { node, serial }, capability))
    }

    /// Binds once more what a binding binds, for another holder, as if from the same slot. The caller has the capability
    /// of the binding and shares it itself.
    ///
    /// # Errors
    /// [`Error::NoSuchSlot`] if the binding was removed; [`Error::Exhausted`].
    pub fn bind_again(&self, binding: Binding, holder: O::Holder) -> Result<Binding, Error> {
        let mut tree = self.lock();
        tree.reserve()?;
        check_bound(&tree, binding)?;
        let parent = tree.parent(binding.node);
        let node = tree.add_bound(parent, Place::Bound { holder })?;
        let serial = tree.serial(node).ok_or(Error::Exhausted)?;
        Ok(Binding { node, serial })
    }

    fn derive(
        &self,
        from: &Arc<CapabilitySpace<O>>,
        slot: Slot,
        to: &Arc<CapabilitySpace<O>>,
        destination: Destination,
        reduce: impl FnOnce(&Capability<O>) -> Result<(Rights, u64), Error>,
    ) -> Result<Slot, Error> {
        let refused;
        let mut tree = self.lock();
        let (rights, badge) = from.inspect(slot, |source| {
            allow_passage(source, from, to)?;
            reduce(source)
        })??;
        let target = to.table.lock().prepare(destination)?;
        tree.reserve()?;
        // Nothing fails once the object is shared, so no share is dropped under the locks.
        let (parent, source) = share_entry(from, slot)?;
        let node = tree.add(Some(parent), Place::Slot { space: Arc::clone(to), slot: target })?;
        let capability = Capability { object: source.object, rights, badge };
        refused = to.table.lock().put(target, Entry { capability, node });
        settle(&mut tree, node, target, refused.as_ref())
    }
}

impl<O: Object> Default for Forest<O> {
    fn default() -> Self {
        Self::new()
    }
}

impl<O: Object> fmt::Debug for Forest<O> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Forest").finish_non_exhaustive()
    }
}

/// A capability may leave its space only with the right to.
fn allow_passage<O: Object>(
    capability: &Capability<O>,
    from: &Arc<CapabilitySpace<O>>,
    to: &Arc<CapabilitySpace<O>>,
) -> Result<(), Error> {
    if Arc::ptr_eq(from, to) { Ok(()) } else { capability.require(Rights::GRANT) }
}

fn check_bound<O: Object>(tree: &Tree<Place<O>>, binding: Binding) -> Result<(), Error> {
    let is_bound = matches!(tree.content(binding.node), Some(Place::Bound { .. }));
    if is_bound && tree.serial(binding.node) == Some(binding.serial) { Ok(()) } else { Err(Error::NoSuchSlot) }
}

fn share_entry<O: Object>(space: &CapabilitySpace<O>, slot: Slot) -> Result<(NodeId, Capability<O>), Error> {
    let table = space.table.lock();
    let entry = table.get(slot)?;
    Ok((entry.node, entry.capability.share()?))
}

/// The end of an operation that put an entry into a prepared slot. The slot cannot have been filled meanwhile, since that
/// needs the forest's lock; if a space is used with two forests it can, and then the new node goes away again.
fn settle<O: Object>(
    tree: &mut Tree<Place<O>>,
    node: NodeId,
    slot: Slot,
    refused: Option<&Entry<O>>,
) -> Result<Slot, Error> {
    if refused.is_none() {
        return Ok(slot);
    }
    tree.detach(node);
    tree.free(node);
    Err(Error::SlotInUse)
}
