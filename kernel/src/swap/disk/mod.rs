//! A virtio block device as the place where pages go.
//!
//! Protocol: "Virtual I/O Device (VIRTIO) Version 1.2", sections "PCI Transport" and "Block Device"; the crate
//! `virtio-drivers` speaks it. What the crate has not is here: how the device is found ([`find`]), the interrupt that says that it
//! is done ([`interrupt`]), memory that it may reach ([`memory`]), and what is under way ([`transfers`]).

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod device;
mod find;
mod interrupt;
mod memory;
mod request_headers;
mod transfers;

pub use device::{ACTIVE, Disk, Finished};
pub use find::find;
pub use interrupt::VECTOR;
pub use transfers::{Direction, QUEUED_OUT, Transfer, take_threads};
