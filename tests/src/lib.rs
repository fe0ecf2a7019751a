//! Tests that boot the kernel in QEMU, each on a machine of its own: one file a subject in `tests/`.
//!
//! What is tested inside the machine is in `tests/programs`.

mod booted;

pub use booted::{alone, boot, boot_and_pass, boot_observed, checked_result};
