//! The kernel's half of every address space.
//!
//! Built once from what the loader said: the image with the rights of its segments, all memory in the direct map
//! (never executable, the image left out, the boot archive read-only), and the kernel's own area, where
//! heap, stacks and device memory come and go under one lock. Every top-level entry is there before the first
//! program starts, so that address spaces share the half by copying them.

mod error;
mod physical_mapping;
mod range;
mod shootdown;
mod stack;
mod tables;
#[cfg(test)]
mod tests;
mod trampoline_root;
mod virtual_area;

pub use error::KernelMapError;
pub use physical_mapping::{PhysicalMapping, map_firmware, map_mmio, map_registers};
pub use shootdown::{Shootdown, flush_local, set_shootdown};
pub use stack::{GuardedStack, allocate_stack};
pub use tables::kernel_root;
pub(super) use tables::{build, finish, map_heap, share_kernel_half};
pub use trampoline_root::{TrampolineRoot, trampoline_root};
