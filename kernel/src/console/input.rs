//! What comes by the serial line. Who is told that something has is `irq`'s to know.

use super::serial;
use super::uart::Serial;

/// Whether bytes have come that nobody has taken.
pub fn has_received() -> bool {
    serial::with(|serial| serial.has_received())
}

/// Moves bytes that have come to `target`; answers how many.
pub fn take(target: &mut [u8]) -> usize {
    serial::with(|serial| serial.take_received(target))
}

/// Lets the line interrupt; `false` if the machine has none.
pub fn enable_interrupts() -> bool {
    serial::with(Serial::enable_interrupts)
}

/// The line interrupts. The caller ends the interrupt. Answers whether bytes have come; if somebody else has the line, the
/// interrupt is sent again, and the answer is no.
pub fn interrupt() -> bool {
    serial::with_in_interrupt(Serial::interrupt) == Some(true)
}

/// Gives the line what it takes of what waits, where nothing interrupts.
pub fn poll() {
    serial::with(Serial::pump);
}

/// Bytes that have come, that had to wait to be sent, and that were dropped, since the start.
pub fn counts() -> (u64, u64, u64) {
    serial::with(|serial| serial.counts())
}
