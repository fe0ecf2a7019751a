//! The capability spaces of programs, and what happens to objects that leave them.

use alloc::sync::Arc;

use super::KernelObject;
use crate::capability::{CapabilitySpace, Forest, Taken};
use crate::cpu::ThisCpu;
use crate::ipc;

/// A program's capabilities.
pub type Space = Arc<CapabilitySpace<KernelObject>>;

/// Who was derived from whom, over all spaces.
pub static FOREST: Forest<KernelObject> = Forest::new();

/// The most capabilities that a program may hold.
const QUOTA: u32 = 4096;

/// An empty space.
#[must_use]
pub fn new_space() -> Space {
    Arc::new(CapabilitySpace::new(QUOTA))
}

/// Lets go of a capability that left its space. The last one of an endpoint closes it.
pub fn release(cpu: &ThisCpu, object: KernelObject) {
    if let KernelObject::Endpoint(endpoint) = object
        && endpoint.remove_capability()
    {
        ipc::close(cpu, &endpoint);
    }
}

/// Lets go of everything that was removed. No lock of the capabilities is held meanwhile.
pub fn release_all(cpu: &ThisCpu, removed: impl Iterator<Item = Taken<KernelObject>>) {
    for taken in removed {
        if let Taken::Capability(capability) = taken {
            release(cpu, capability.object);
        }
    }
}
