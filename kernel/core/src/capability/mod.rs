//! Capability spaces, and the forest that says which capability came from which.
//!
//! A program's [`CapabilitySpace`] is a table of slots, each empty or with one [`Capability`]: an object, the [`Rights`]
//! to it and a badge. A program names its capabilities by slot and has no other name for anything. One [`Forest`] for
//! all spaces remembers the derivations: a copy is the child of what it was copied from, and taking back a capability
//! means removing its descendants wherever they are.
//!
//! Nothing here knows what objects are; they only have to say how they are shared ([`Object`]).
//!
//! # Invariants
//!
//! * A capability in a slot has exactly one node in the forest, whose place is that slot; a node whose place is a slot
//!   has its capability there.
//! * A *binding* is a capability that lies in no slot: a thread's fault handler. Its holder keeps the capability; the
//!   forest has a node with the holder's name. Bindings have no children.
//! * A copy never has more rights than its source, and a badge that is not zero stays.
//! * What is removed is in no space and reaches nobody by lookup once [`Removed`] has been gone through. Removing needs no
//!   memory, so it cannot fail for want of it.
//! * The node of a capability that is gone stays as a ghost as long as several capabilities were derived from it, and no
//!   longer: there are fewer ghosts than capabilities.
//! * Between two steps of a removal all of this holds, save that a ghost may still have bindings: whoever removes the
//!   capability takes them next.
//!
//! # Locks
//!
//! The forest has a lock, and each space has one. The order is: the forest, then one space; never two spaces. Slots
//! change under both locks, so either one is enough to read them. A lookup takes its space's lock only, and a fault
//! takes none of them: the handler's capability is bound to the thread. [`Object::share`] runs under these locks;
//! objects are dropped outside of them. The forest's is held for a bounded number of nodes. The locks are spin locks: use them with interrupts off.

#[expect(clippy::module_inception, reason = "the file holds what the folder is named for")]
mod capability;
mod error;
mod forest;
mod removal;
mod slot;
mod slot_table;
mod space;
#[cfg(test)]
mod tests;
mod tree;

pub use capability::{Capability, Object};
pub use error::Error;
pub use forest::{Binding, Forest};
pub use gatehouse_abi::Rights;
pub use removal::{Removed, Step, Taken};
pub use slot::{Destination, Slot};
pub use space::CapabilitySpace;
