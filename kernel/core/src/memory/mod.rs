//! Addresses, what lies there, and what may be done with the pages.

pub mod layout;
mod memory_map;
mod physical_range;
mod rights;
mod user_range;

pub use memory_map::{MemoryKind, MemoryMap, MemoryMapError, MemoryRegion};
pub use physical_range::PhysicalRange;
pub use rights::Rights;
pub use user_range::UserRange;
