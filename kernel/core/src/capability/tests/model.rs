//! The same operations on a map of nodes, as simple as they can be said.

use std::collections::{BTreeMap, HashMap};

use super::super::{Error, Rights};
use super::world::{OBJECTS, SHARE_LIMIT};

/// Where a node's capability is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    Slot(usize, u64),
    Holder(u64),
}

/// A capability, and the node that it came from.
#[derive(Clone, Copy, Debug)]
pub struct ModelNode {
    parent: Option<u64>,
    place: Where,
    pub object: usize,
    pub rights: Rights,
    pub badge: u64,
}

/// A space: what is free, and how far it has grown. The slot to be used next is the last of `free`.
struct ModelSpace {
    quota: u64,
    reached: u64,
    free: Vec<u64>,
    /// Whether the order of `free` is the real one. A revocation that empties several slots leaves it open.
    is_ordered: bool,
}

impl ModelSpace {
    fn new(quota: u64) -> Self {
        Self { quota, reached: 0, free: Vec::new(), is_ordered: true }
    }
}

/// All spaces and all derivations.
pub struct Model {
    nodes: HashMap<u64, ModelNode>,
    spaces: Vec<ModelSpace>,
    next_node: u64,
    /// References of objects that bindings' holders have.
    held: BTreeMap<u64, usize>,
}

/// The capabilities as (object, rights, badge) and the holders of bindings that an operation removes, in order.
pub type Gone = (Vec<(usize, u64, u64)>, Vec<u64>);

impl Model {
    pub fn new(quotas: &[u32]) -> Self {
        let spaces = quotas.iter().map(|quota| ModelSpace::new(u64::from(*quota))).collect();
        Self { nodes: HashMap::new(), spaces, next_node: 0, held: BTreeMap::new() }
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn quota(&self, space: usize) -> u64 {
        self.spaces[space].quota
    }

    pub fn find(&self, space: usize, slot: u64) -> Option<(u64, ModelNode)> {
        let found = self.nodes.iter().find(|(_, node)| node.place == Where::Slot(space, slot));
        found.map(|(id, node)| (*id, *node))
    }

    /// References of each object: one for each capability in a slot or with a holder.
    pub fn counts(&self) -> [usize; OBJECTS] {
        let mut counts = [0; OBJECTS];
        for node in self.nodes.values().filter(|node| matches!(node.place, Where::Slot(..))) {
            counts[node.object] += 1;
        }
        self.held.values().for_each(|object| counts[*object] += 1);
        counts
    }

    pub fn insert(&mut self, space: usize, at: Option<u64>, node: (usize, Rights, u64)) -> Result<u64, Error> {
        let slot = self.free_slot(space, at)?;
        self.claim(space, slot);
        self.add(None, Where::Slot(space, slot), node);
        Ok(slot)
    }

    pub fn derive(
        &mut self,
        from: (usize, u64),
        to: (usize, Option<u64>),
        rights: Rights,
        badge: Option<u64>,
    ) -> Result<u64, Error> {
        let (parent, source) = self.find(from.0, from.1).ok_or(Error::NoSuchSlot)?;
        if from.0 != to.0 && !source.rights.contains(Rights::GRANT) {
            return Err(Error::NotPermitted);
        }
        if badge.is_some_and(|badge| source.badge != 0 && badge != source.badge) {
            return Err(Error::BadgeFixed);
        }
        let slot = self.free_slot(to.0, to.1)?;
        if !self.can_share(source.object) {
            return Err(Error::Exhausted);
        }
        self.claim(to.0, slot);
        let badge = badge.unwrap_or(source.badge);
        self.add(Some(parent), Where::Slot(to.0, slot), (source.object, source.rights & rights, badge));
        Ok(slot)
    }

    pub fn transfer(&mut self, from: (usize, u64), to: (usize, Option<u64>)) -> Result<u64, Error> {
        let (id, node) = self.find(from.0, from.1).ok_or(Error::NoSuchSlot)?;
        if from.0 != to.0 && !node.rights.contains(Rights::GRANT) {
            return Err(Error::NotPermitted);
        }
        let slot = self.free_slot(to.0, to.1)?;
        self.claim(to.0, slot);
        self.release(from.0, from.1);
        self.nodes.get_mut(&id).expect("found").place = Where::Slot(to.0, slot);
        Ok(slot)
    }

    pub fn bind(&mut self, space: usize, slot: u64, holder: u64) -> Result<(), Error> {
        let (parent, source) = self.find(space, slot).ok_or(Error::NoSuchSlot)?;
        if !self.can_share(source.object) {
            return Err(Error::Exhausted);
        }
        self.add(Some(parent), Where::Holder(holder), (source.object, source.rights, source.badge));
        self.held.insert(holder, source.object);
        Ok(())
    }

    /// Another holder of what a holder has.
    pub fn bind_again(&mut self, holder: u64, other: u64) -> Result<(), Error> {
        let found = self.nodes.values().find(|node| node.place == Where::Holder(holder)).copied();
        let node = found.ok_or(Error::NoSuchSlot)?;
        if !self.can_share(node.object) {
            return Err(Error::Exhausted);
        }
        self.nodes.insert(self.next_node, ModelNode { place: Where::Holder(other), ..node });
        self.next_node += 1;
        self.held.insert(other, node.object);
        Ok(())
    }

    /// The holder gives its capability up.
    pub fn unbind(&mut self, holder: u64) -> Result<(), Error> {
        self.held.remove(&holder);
        let found = self.nodes.iter().find(|(_, node)| node.place == Where::Holder(holder)).map(|(id, _)| *id);
        let id = found.ok_or(Error::NoSuchSlot)?;
        self.nodes.remove(&id);
        Ok(())
    }

    pub fn delete(&mut self, space: usize, slot: u64) -> Result<Gone, Error> {
        let (id, node) = self.find(space, slot).ok_or(Error::NoSuchSlot)?;
        let mut gone = vec![id];
        for (child, below) in self.nodes.iter_mut().filter(|(_, below)| below.parent == Some(id)) {
            match below.place {
                Where::Holder(_) => gone.push(*child),
                Where::Slot(..) => below.parent = node.parent,
            }
        }
        Ok(self.remove(&gone))
    }

    pub fn revoke(&mut self, space: usize, slot: u64) -> Result<Gone, Error> {
        let (id, _) = self.find(space, slot).ok_or(Error::NoSuchSlot)?;
        let below: Vec<u64> = self.nodes.keys().copied().filter(|node| self.descends(*node, id)).collect();
        for (index, space) in self.spaces.iter_mut().enumerate() {
            let emptied =
                below.iter().filter(|id| matches!(self.nodes[id].place, Where::Slot(place, _) if place == index));
            space.is_ordered &= emptied.count() <= 1;
        }
        Ok(self.remove(&below))
    }

    pub fn end(&mut self, space: usize) -> Gone {
        let mut all = Gone::default();
        for slot in 1..=self.spaces[space].reached {
            if let Ok((mut capabilities, mut holders)) = self.delete(space, slot) {
                all.0.append(&mut capabilities);
                all.1.append(&mut holders);
            }
        }
        self.spaces[space] = ModelSpace::new(0);
        all.0.sort_unstable();
        all.1.sort_unstable();
        all
    }

    /// Makes a slot that was chosen really the next one, where the order is open and the slot is free.
    pub fn prefer(&mut self, space: usize, slot: u64) {
        let space = &mut self.spaces[space];
        let index = space.free.iter().position(|free| *free == slot);
        if let Some(index) = index.filter(|_| !space.is_ordered) {
            let last = space.free.len() - 1;
            space.free.swap(index, last);
        }
    }

    fn descends(&self, mut node: u64, from: u64) -> bool {
        while let Some(parent) = self.nodes.get(&node).and_then(|node| node.parent) {
            if parent == from {
                return true;
            }
            node = parent;
        }
        false
    }

    fn can_share(&self, object: usize) -> bool {
        object != OBJECTS - 1 || self.counts()[object] < SHARE_LIMIT
    }

    fn add(&mut self, parent: Option<u64>, place: Where, (object, rights, badge): (usize, Rights, u64)) {
        self.nodes.insert(self.next_node, ModelNode { parent, place, object, rights, badge });
        self.next_node += 1;
    }

    fn remove(&mut self, ids: &[u64]) -> Gone {
        let mut gone = Gone::default();
        for id in ids {
            let node = self.nodes.remove(id).expect("in the model");
            match node.place {
                Where::Slot(space, slot) => {
                    self.release(space, slot);
                    gone.0.push((node.object, node.rights.bits(), node.badge));
                }
                Where::Holder(holder) => {
                    self.held.remove(&holder);
                    gone.1.push(holder);
                }
            }
        }
        gone.0.sort_unstable();
        gone.1.sort_unstable();
        gone
    }

    /// The slot that a destination means. The space grows up to it even if the operation is refused afterwards.
    fn free_slot(&mut self, space: usize, at: Option<u64>) -> Result<u64, Error> {
        let space = &mut self.spaces[space];
        let slot = match at {
            Some(slot) if slot > space.quota => return Err(Error::NoSuchSlot),
            Some(slot) => slot,
            None => match space.free.last() {
                Some(slot) => *slot,
                None if space.reached == space.quota => return Err(Error::Full),
                None => space.reached + 1,
            },
        };
        space.free.extend((space.reached + 1..=slot).rev());
        space.reached = space.reached.max(slot);
        if space.free.contains(&slot) { Ok(slot) } else { Err(Error::SlotInUse) }
    }

    fn claim(&mut self, space: usize, slot: u64) {
        let space = &mut self.spaces[space];
        space.free.retain(|free| *free != slot);
        space.is_ordered |= space.free.len() <= 1;
    }

    fn release(&mut self, space: usize, slot: u64) {
        self.spaces[space].free.push(slot);
    }
}
