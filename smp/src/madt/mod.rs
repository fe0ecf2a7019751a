//! CPUs and interrupt controllers from the ACPI Multiple APIC Description Table (MADT).
//!
//! Source: ACPI Specification 6.5, section 5.2.12 "Multiple APIC Description Table (MADT)".

mod entries;
mod error;
mod parse;
mod summary;
mod topology;

pub use error::MadtError;
pub use summary::Summary;
pub use topology::{
    InterruptOverride, ListedCpu, ListedIoApic, NmiPin, NmiProcessor, Note, Polarity, Topology, TriggerMode,
};
