//! What the kernel says: lines for people on the serial port, records for tools on the debug console.

mod debug_port;
mod serial;

pub use debug_port::{EmergencyRecord, record};
pub use serial::{Emergency, block, line, line_if_free, text};
