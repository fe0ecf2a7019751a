//! Trees of nodes in one table, without locks.
//!
//! Nodes are linked by number: parent, first child, first binding, and the siblings both ways. No walk is recursive, and every
//! operation takes a bounded number of steps. A freed node is used again before the table grows, which never shrinks.

use alloc::vec::Vec;
use core::num::NonZeroU32;

use super::Error;
use crate::fallible;

/// The number of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct NodeId(NonZeroU32);

impl NodeId {
    const fn index(self) -> usize {
        self.0.get() as usize - 1
    }

    fn from_index(index: usize) -> Option<Self> {
        u32::try_from(index + 1).ok().and_then(NonZeroU32::new).map(Self)
    }
}

#[derive(Debug)]
struct Node<C> {
    /// Differs from that of every other use of this and of any other node.
    serial: u64,
    parent: Option<NodeId>,
    first_child: Option<NodeId>,
    first_bound: Option<NodeId>,
    previous: Option<NodeId>,
    /// Of a vacant node: the next vacant one.
    next: Option<NodeId>,
    /// Nothing in a vacant node.
    content: Option<C>,
}

/// Any number of trees; a node without a parent is the root of one.
#[derive(Debug)]
pub(super) struct Tree<C> {
    nodes: Vec<Node<C>>,
    vacant: Option<NodeId>,
    next_serial: u64,
    #[cfg(test)]
    steps: u64,
}

impl<C> Tree<C> {
    pub const fn new() -> Self {
        Self {
            nodes: Vec::new(),
            vacant: None,
            next_serial: 0,
            #[cfg(test)]
            steps: 0,
        }
    }

    /// Makes room for so many nodes in all, so that the table does not grow until there are more.
    pub fn prepare(&mut self, nodes: usize) -> Result<(), Error> {
        let more = nodes.saturating_sub(self.nodes.len());
        fallible::reserve(&mut self.nodes, more).map_err(|_| Error::Exhausted)
    }

    /// Makes sure that the next [`Self::add`] succeeds.
    pub fn reserve(&mut self) -> Result<(), Error> {
        if self.vacant.is_some() {
            return Ok(());
        }
        NodeId::from_index(self.nodes.len()).ok_or(Error::Exhausted)?;
        fallible::reserve(&mut self.nodes, 1).map_err(|_| Error::Exhausted)
    }

    /// A new node: a child, or a root.
    pub fn add(&mut self, parent: Option<NodeId>, content: C) -> Result<NodeId, Error> {
        let id = self.add_root(content)?;
        if let Some(parent) = parent {
            self.link(parent, id, false);
        }
        Ok(id)
    }

    /// A new binding to a node.
    pub fn add_bound(&mut self, parent: Option<NodeId>, content: C) -> Result<NodeId, Error> {
        let id = self.add_root(content)?;
        if let Some(parent) = parent {
            self.link(parent, id, true);
        }
        Ok(id)
    }

    fn add_root(&mut self, content: C) -> Result<NodeId, Error> {
        self.reserve()?;
        let serial = self.next_serial;
        self.next_serial = serial.wrapping_add(1);
        let node = Node {
            serial,
            parent: None,
            first_child: None,
            first_bound: None,
            previous: None,
            next: None,
            content: Some(content),
        };
        let id = match self.vacant {
            Some(id) => {
                let place = self.nodes.get_mut(id.index()).ok_or(Error::Exhausted)?;
                self.vacant = place.next;
                *place = node;
                id
            }
            None => {
                let id = NodeId::from_index(self.nodes.len()).ok_or(Error::Exhausted)?;
                #[expect(clippy::disallowed_methods, reason = "there is room for it")]
                self.nodes.push(node);
                id
            }
        };
        Ok(id)
    }

    pub fn content(&self, id: NodeId) -> Option<&C> {
        self.node(id)?.content.as_ref()
    }

    /// The content, to be replaced but not removed.
    pub fn content_mut(&mut self, id: NodeId) -> Option<&mut C> {
        self.node_mut(id)?.content.as_mut()
    }

    pub fn serial(&self, id: NodeId) -> Option<u64> {
        self.node(id).map(|node| node.serial)
    }

    pub fn parent(&self, id: NodeId) -> Option<NodeId> {
        self.node(id)?.parent
    }

    pub fn first_child(&self, id: NodeId) -> Option<NodeId> {
        self.node(id)?.first_child
    }

    /// The next sibling.
    pub fn next(&self, id: NodeId) -> Option<NodeId> {
        self.node(id)?.next
    }

    /// The first of the bindings to a node.
    pub fn first_bound(&self, id: NodeId) -> Option<NodeId> {
        self.node(id)?.first_bound
    }

    /// The only child of a node that has exactly one.
    pub fn only_child(&self, id: NodeId) -> Option<NodeId> {
        self.first_child(id).filter(|child| self.next(*child).is_none())
    }

    /// Takes a node, with what is below it, away from its parent: it becomes a root.
    pub fn detach(&mut self, id: NodeId) {
        self.count_step();
        let Some(node) = self.node_mut(id) else { return };
        let (parent, previous, next) = (node.parent.take(), node.previous.take(), node.next.take());
        if let Some(next) = next.and_then(|next| self.node_mut(next)) {
            next.previous = previous;
        }
        if let Some(previous) = previous {
            if let Some(previous) = self.node_mut(previous) {
                previous.next = next;
            }
        } else if let Some(parent) = parent.and_then(|parent| self.node_mut(parent)) {
            // It is the first of one of the two lists.
            if parent.first_bound == Some(id) {
                parent.first_bound = next;
            } else {
                parent.first_child = next;
            }
        }
    }

    /// Makes a node the child of another one, or a root.
    pub fn move_below(&mut self, id: NodeId, parent: Option<NodeId>) {
        self.detach(id);
        if let Some(parent) = parent {
            self.link(parent, id, false);
        }
    }

    /// Frees a root that has no children, and answers what it held.
    pub fn free(&mut self, id: NodeId) -> Option<C> {
        self.count_step();
        let vacant = self.vacant;
        let node = self.node_mut(id)?;
        let content = node.content.take()?;
        node.next = vacant;
        self.vacant = Some(id);
        Some(content)
    }

    /// Checks every link, and that `is_ghost` is so of none but nodes with several children and no bindings. Answers how many
    /// other nodes are in use, and how many ghosts.
    #[cfg(test)]
    pub fn check(&self, is_ghost: impl Fn(&C) -> bool) -> (usize, usize) {
        let ids = (0..self.nodes.len()).filter_map(NodeId::from_index);
        let (mut real, mut ghosts) = (0, 0);
        for id in ids {
            let Some(content) = self.content(id) else { continue };
            for first in [self.first_child(id), self.first_bound(id)] {
                let (mut before, mut child) = (None, first);
                while let Some(this) = child {
                    assert!(self.content(this).is_some(), "a vacant child");
                    assert_eq!(self.parent(this), Some(id));
                    assert_eq!(self.node(this).and_then(|node| node.previous), before);
                    (before, child) = (child, self.next(this));
                }
            }
            if is_ghost(content) {
                assert!(self.first_bound(id).is_none(), "a ghost with a binding");
                assert!(self.first_child(id).is_some() && self.only_child(id).is_none(), "a ghost for nothing");
                ghosts += 1;
            } else {
                real += 1;
            }
        }
        (real, ghosts)
    }

    /// How many links were changed and nodes freed so far.
    #[cfg(test)]
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    #[cfg(test)]
    const fn count_step(&mut self) {
        self.steps += 1;
    }

    #[cfg(not(test))]
    #[expect(clippy::needless_pass_by_ref_mut, reason = "tests count here")]
    const fn count_step(&mut self) {}

    fn link(&mut self, parent: NodeId, child: NodeId, is_bound: bool) {
        self.count_step();
        let Some(above) = self.node_mut(parent) else { return };
        let list = if is_bound { &mut above.first_bound } else { &mut above.first_child };
        let next = list.replace(child);
        if let Some(node) = self.node_mut(child) {
            node.parent = Some(parent);
            node.next = next;
        }
        if let Some(next) = next.and_then(|next| self.node_mut(next)) {
            next.previous = Some(child);
        }
    }

    fn node(&self, id: NodeId) -> Option<&Node<C>> {
        self.nodes.get(id.index())
    }

    fn node_mut(&mut self, id: NodeId) -> Option<&mut Node<C>> {
        self.nodes.get_mut(id.index())
    }
}
