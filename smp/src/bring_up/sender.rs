//! Who sends the inter-processor interrupts.

use percpu::ApicId;

use crate::icr::{Command, Destination};
use crate::local_apic::SendError;

/// A sender of inter-processor interrupts. [`LocalApic`](crate::local_apic::LocalApic) is the real one.
pub trait IpiSender {
    /// The id of the CPU that sends.
    fn own_id(&self) -> ApicId;

    /// Sends one.
    ///
    /// # Errors
    /// As [`LocalApic::send`](crate::local_apic::LocalApic::send).
    fn send(&self, command: Command, destination: Destination) -> Result<(), SendError>;
}
