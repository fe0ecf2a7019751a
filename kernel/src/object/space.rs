//! The capability spaces of programs.

use alloc::sync::Arc;

use super::AnyObject;
use crate::capability::{CapabilitySpace, Forest};
use crate::memory::fallible::{self, OutOfHeap};

/// A program's capabilities.
pub type Space = Arc<CapabilitySpace<AnyObject>>;

/// Who was derived from whom, over all spaces.
pub static FOREST: Forest<AnyObject> = Forest::new();

/// The most capabilities that a program may hold.
const QUOTA: u32 = 4096;

/// An empty space.
///
/// # Errors
/// [`OutOfHeap`].
pub fn new_space() -> Result<Space, OutOfHeap> {
    fallible::new_arc(CapabilitySpace::new(QUOTA))
}
