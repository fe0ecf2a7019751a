//! I/O APICs: which vector on which CPU a device's interrupt line raises.
//!
//! Sources: Intel 82093AA I/O APIC datasheet, "Register Description"; ACPI Specification 6.5, section 5.2.12.
//!
//! Of the `x2apic` crate (0.5.1) the bits of a redirection entry are used (`IrqFlags`, `IrqMode`). Its driver is not: its `init` ORs
//! new redirection entries into what the firmware left. Nor is its `RedirectionTableEntry`: it does not give out its bits, and refuses
//! no vector.

mod driver;
mod redirection;

pub use driver::{IoApic, RouteError, Window, WindowAccess};
pub use redirection::{Redirection, RedirectionError};
