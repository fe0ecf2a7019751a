//! Tests that boot the kernel in QEMU, each on a machine of its own: one file a subject in `tests/`.
//!
//! What is tested inside the machine is in `tests/programs`.

mod booted;
mod fatal_report;
mod monitor;
mod pages;
mod swap_disk;
pub mod sweep;

pub use booted::{alone, boot, boot_and_pass, boot_observed, checked_result};
pub use fatal_report::{FatalReport, boot_to_report};
pub use monitor::{Cue, Monitor, boot_with_monitor};
pub use pages::{table, text};
pub use swap_disk::{DiskFailure, SwapDisk};
