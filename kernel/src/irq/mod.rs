//! Interrupts of devices: which CPU gets them, who is told, and what becomes of too many.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod arrival;
mod claim;
mod device;
mod interrupt;
pub mod io_apics;
mod line_state;
mod place;
pub mod serial;
mod serial_input;
mod source;
mod vector_table;

pub use device::{controller_error, device, device_here, storms, unexpected_interrupts};
pub use interrupt::Interrupt;
pub use place::{DeviceVectors, vectors_in_use};
pub use serial_input::bind_console;
