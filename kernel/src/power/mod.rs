//! Turning the machine off, and failing that resetting it, by what the firmware's tables say.
//!
//! Own reading of the tables: they are wanted for a handful of fields, two of which (the sleep type in AML, the registers of hardware
//! without the fixed ones) the crate `acpi` does not give without its interpreter.

mod machine;
mod tables;

pub use machine::{initialize, reset, turn_off};
