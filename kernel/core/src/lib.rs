//! The rules of the kernel that need no processor: what is decided here is decided from values alone, and tested on the host.
//!
//! Nothing here knows a thread, a CPU or an address that is mapped. What concerns several CPUs at once is explored with `loom`.
#![cfg_attr(not(test), no_std)]
#![deny(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests on the host may allocate")
)]

extern crate alloc;

mod atomic;
pub mod byte_queue;
pub mod capability;
pub mod command_line;
pub mod cpu;
pub mod fallible;
pub mod firmware;
pub mod interrupt_rate;
pub mod intrusive;
pub mod memory;
pub mod program;
pub mod sched;
pub mod swap;
pub mod time;
