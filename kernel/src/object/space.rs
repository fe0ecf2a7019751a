//! The capability spaces of programs.

use alloc::sync::Arc;

use super::KernelObject;
use crate::capability::{CapabilitySpace, Forest};

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
