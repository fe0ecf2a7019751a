//! From a loader's hands to `kernel_main`.
//!
//! There are two boot protocols: PVH (`pvh`, QEMU's `-kernel`, microvm included) and Limine (`limine`, BIOS
//! or UEFI firmware). Each copies what its loader says into one owned [`BootInfo`](crate::memory::boot_info::BootInfo), so that nothing after
//! this folder knows how the machine was started, and no memory of a loader is read later.
//!
//! Both arrive in `kernel_main` in the same state: long mode, 4-level paging, interrupts off, the
//! descriptor table of `entry_state`, a 256 KiB stack in the image, the image at its link address, and the
//! first 4 GiB of physical memory at [`DIRECT_MAP_BASE`](gatehouse_core::memory::layout::DIRECT_MAP_BASE).
//! `memory` replaces these tables by the final ones.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

// Host builds that are no tests have no boot protocol.
#[cfg(any(target_os = "none", test))]
mod pvh;

#[cfg(target_os = "none")]
mod entry_state;
#[cfg(target_os = "none")]
mod limine;
#[cfg(target_os = "none")]
mod pvh_entry;
