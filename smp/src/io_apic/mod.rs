//! I/O APICs: which vector on which CPU a device's interrupt line raises.
//!
//! Sources: Intel 82093AA I/O APIC datasheet, "Register Description"; ACPI Specification 6.5, section 5.2.12.
//!
//! The `x2apic` crate's driver is not used: its `init` ORs new redirection entries into what the firmware left.

mod driver;
mod redirection;

pub use driver::{IoApic, RouteError, Window, WindowAccess};
pub use redirection::{Redirection, RedirectionError};
