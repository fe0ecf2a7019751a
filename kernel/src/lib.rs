//! Gatehouse: an SMP-first x86-64 microkernel built around its trap layer.
//!
//! All code is here; the image (`main.rs`) only links it. What needs no hardware is compiled and tested on the host.
//!
//! Where to begin: [`start`] for the order of the boot, [`entry`] for the road that every trap takes.
#![cfg_attr(not(test), no_std)]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests on the host may allocate")
)]

extern crate alloc;

pub mod arch;
pub mod boot;
pub mod clock;
pub mod console;
pub mod containment;
pub mod cpu;
pub mod entry;
pub mod facts;
pub mod hardware_timer;
mod invariant;
pub mod ipc;
pub mod ipi;
pub mod irq;
pub mod life;
pub mod lockdown;
pub mod memory;
pub mod object;
pub mod pci;
pub mod power;
pub mod program;
pub mod sched;
pub mod start;
pub mod swap;
pub mod sync;
pub mod system_call;
pub mod test_hooks;
pub mod test_overflow;
pub mod test_state;
pub mod thread;
pub mod time;
pub mod user_copy;

#[cfg(target_os = "none")]
mod panic;

#[cfg(target_os = "none")]
pub use start::kernel_main;
