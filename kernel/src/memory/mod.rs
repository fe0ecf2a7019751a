//! Physical and virtual memory.
//!
//! [`initialize`] takes over from the loader. [`frame`] gives out physical memory, [`kernel_space`] holds the half of
//! the addresses that is the same everywhere ([`layout`] draws it), [`AddressSpace`] is one program's half, and [`heap`]
//! serves `alloc`, by way of [`fallible`].
//!
//! Locks, outermost first: an address space (its owner's), the addresses of the kernel's area, the heap, the
//! kernel's page tables, the frame pool. Interrupts are off while any of them is held.

pub mod address_space;
pub mod boot_info;
pub mod direct_map;
pub mod emergency_reserve;
pub mod fallible;
pub mod filled_heap;
pub mod frame;
pub mod heap;
pub mod kernel_space;
mod loaded_root;
pub mod shared_frame;

mod frame_cache;
mod frame_pool;
mod frame_table;
mod locked_pool;
mod page_tables;
mod rights;
mod start;
#[cfg(test)]
pub(crate) mod test_memory;

pub use address_space::AddressSpace;
pub use frame::Frame;
pub use loaded_root::{LOADED_ROOT, LoadedRoot, prepare_cpu};
pub use start::{initialize, release_loader_memory};
