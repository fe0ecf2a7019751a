//! Objects that know how often they are shared, and where they are dropped.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::super::forest::Place;
use super::super::{Capability, CapabilitySpace, Forest, Object, Removed, Rights, Slot, Taken};

/// How many different objects there are.
pub const OBJECTS: usize = 3;
/// The last object cannot have more references than this.
pub const SHARE_LIMIT: usize = 3;

/// A forest and spaces, and how many references each object has.
pub struct World {
    pub forest: Forest<Probe>,
    pub spaces: Vec<Arc<CapabilitySpace<Probe>>>,
    pub counts: [AtomicUsize; OBJECTS],
}

/// A counted reference to an object.
pub struct Probe {
    world: Arc<World>,
    pub object: usize,
}

impl World {
    pub fn new(quotas: &[u32]) -> Arc<Self> {
        let spaces = quotas.iter().map(|quota| Arc::new(CapabilitySpace::new(*quota))).collect();
        Arc::new(Self { forest: Forest::new(), spaces, counts: Default::default() })
    }

    pub fn counts(&self) -> [usize; OBJECTS] {
        self.counts.each_ref().map(|count| count.load(Ordering::Relaxed))
    }

    /// A first reference, or one more: the limit holds for sharing only.
    pub fn capability(self: &Arc<Self>, object: usize, rights: Rights, badge: u64) -> Capability<Probe> {
        self.counts[object].fetch_add(1, Ordering::Relaxed);
        Capability { object: Probe { world: Arc::clone(self), object }, rights, badge }
    }

    /// Nodes of capabilities and bindings in the forest, whose links are checked.
    pub fn nodes(&self) -> usize {
        let (nodes, ghosts) = self.forest.lock().check(|place| matches!(place, Place::Ghost));
        assert!(ghosts <= nodes.saturating_sub(1), "{ghosts} ghosts of {nodes} nodes");
        nodes
    }

    /// Links that were changed and nodes that were freed so far.
    pub fn steps(&self) -> u64 {
        self.forest.lock().steps()
    }
}

impl Object for Probe {
    type Holder = u64;
    type ForestLock = spin::Mutex<()>;
    type SpaceLock = spin::Mutex<()>;

    fn share(&self) -> Option<Self> {
        let count = &self.world.counts[self.object];
        if self.object == OBJECTS - 1 && count.load(Ordering::Relaxed) >= SHARE_LIMIT {
            return None;
        }
        count.fetch_add(1, Ordering::Relaxed);
        Some(Self { world: Arc::clone(&self.world), object: self.object })
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.world.counts[self.object].fetch_sub(1, Ordering::Relaxed);
        // If the thread that drops holds one of the locks, it stays locked.
        let is_free = || {
            let is_forest_free = self.world.forest.try_lock().is_some();
            is_forest_free && self.world.spaces.iter().all(|space| space.table.try_lock().is_some())
        };
        let became_free = (0..100_000).any(|_| {
            let free = is_free();
            if !free {
                thread::yield_now();
            }
            free
        });
        assert!(became_free || thread::panicking(), "an object is dropped under a lock");
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "object {}", self.object)
    }
}

/// A slot by number.
pub fn slot(number: u64) -> Slot {
    Slot::new(number).expect("a slot number")
}

/// The badges of the capabilities and the holders of the bindings that were removed, in order.
pub fn badges_and_holders(removed: Removed<'_, Probe>) -> (Vec<u64>, Vec<u64>) {
    let (mut badges, mut holders) = (Vec::new(), Vec::new());
    for taken in removed {
        match taken {
            Taken::Capability(capability) => badges.push(capability.badge),
            Taken::Binding { holder, .. } => holders.push(holder),
        }
    }
    badges.sort_unstable();
    holders.sort_unstable();
    (badges, holders)
}
