//! The rules of the kernel that need no processor: what is decided here is decided from values alone, and tested on the host.
//!
//! Nothing here knows a thread, a CPU or an address that is mapped. What concerns several CPUs at once is explored with `loom`.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests on the host may allocate")
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod command_line;
pub mod fallible;
pub mod firmware;
pub mod memory;
pub mod program;
