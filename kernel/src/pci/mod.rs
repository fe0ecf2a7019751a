//! The PCI bus, as far as the kernel has to do with it: configuration space, messages that are interrupts, functions that
//! drivers outside the kernel have.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod claims;
mod device;
#[cfg(test)]
mod fake;
mod function;
mod messages;
mod msi;
pub mod msi_x;
mod pins;
mod ports;
mod protection;
mod regions;
mod silence;

pub use claims::{claim_for_kernel, with_root};
pub use device::Device;
pub use messages::{Message, address_and_value};
pub use pins::PinningFunctions;
pub use ports::Ports;
pub use regions::Regions;
pub use silence::{Silenced, silence_devices};
