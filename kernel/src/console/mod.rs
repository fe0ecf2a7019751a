//! What the kernel says: lines for people on the serial port, records for tools on the debug console.

mod debug_port;
mod input;
mod marked;
mod serial;
mod transmitter;
mod uart;

pub use debug_port::{EmergencyRecord, record};
pub use input::{counts, enable_interrupts, has_received, interrupt, poll, take};
pub use serial::{Emergency, block, line, line_if_free, text};
