//! Interrupts of devices: which CPU gets them, who is told, and what becomes of too many.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod arrival;
mod claim;
mod device;
mod interrupt;
pub mod io_apics;
mod line_state;
pub mod serial;
mod serial_input;
mod source;
mod vector_assignment;
mod vector_table;

pub use device::{controller_error, device, device_here, storms, unexpected_interrupts};
pub use interrupt::Interrupt;
pub use serial_input::bind_console;
pub use vector_assignment::{DeviceVectors, vectors_in_use};
