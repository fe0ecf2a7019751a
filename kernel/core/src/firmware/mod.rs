//! The firmware's tables (ACPI), as bytes that say whatever they like.
//!
//! Every length, pointer and field is checked where it is read; what nobody reads is not looked at; what can be used in spite of
//! something odd is used, and the oddity is told. Nothing here needs hardware.
//!
//! Of the crate `acpi` (5.2.0) only the layout of headers is used: its way through the tables reads as many bytes as the root pointer says from a
//! mapping of 36, subtracts the header from a root table that is shorter, refuses names that are not UTF-8, calls a table missing
//! whose sum is off, and reads fields behind the end of a short FADT, whose lengths it multiplies in 8 bits.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod bytes;
mod fixed_table;
mod oddity;
mod root_pointer;
mod tables;
#[cfg(test)]
mod tests;

pub use bytes::PhysicalMemory;
pub use fixed_table::FixedTable;
pub use oddity::{Oddity, Reason, Unusable};
pub use tables::{Name, Tables};
