//! What comes by the serial line, for whoever wants to read it.

use super::serial;
use super::uart::Serial;
use crate::cpu::ThisCpu;
use crate::ipc::{Notification, Signalled};
use crate::object::Counted;
use crate::sched::Next;
use crate::sync::{Mutex, rank};

/// Who is told that bytes have come, and by which badge.
static READER: Mutex<Option<(Counted<Notification>, u64)>, rank::Reader> = Mutex::new(None);

/// From now on the notification is signalled when bytes have come; at once if some have come already. Answers who was told
/// before, to be dropped with no lock held.
pub fn bind(cpu: &ThisCpu, reader: Option<(Counted<Notification>, u64)>) -> (Option<Counted<Notification>>, Next) {
    let before = core::mem::replace(&mut *READER.lock(), reader);
    // In this order: an interrupt that has told the reader before has put the bytes there before.
    let next = if serial::with(|serial| serial.has_received()) { tell_reader(cpu) } else { Next::Stay };
    (before.map(|(notification, _)| notification), next)
}

/// Signals whoever wants to know, and wakes who waits with no lock held.
fn tell_reader(cpu: &ThisCpu) -> Next {
    let signalled =
        READER.lock().as_ref().map_or(Signalled::NOBODY, |(notification, badge)| notification.object().set(*badge));
    signalled.wake(cpu)
}

/// Moves bytes that have come to `target`; answers how many.
pub fn take(target: &mut [u8]) -> usize {
    serial::with(|serial| serial.take_received(target))
}

/// Lets the line interrupt; `false` if the machine has none.
pub fn enable_interrupts() -> bool {
    serial::with(Serial::enable_interrupts)
}

/// The line interrupts. The caller ends the interrupt.
pub fn interrupt(cpu: &ThisCpu) -> Next {
    let has_come = serial::with_in_interrupt(Serial::interrupt);
    if has_come == Some(true) { tell_reader(cpu) } else { Next::Stay }
}

/// Gives the line what it takes of what waits, where nothing interrupts.
pub fn poll() {
    serial::with(Serial::pump);
}

/// Bytes that have come, that had to wait to be sent, and that were dropped, since the start.
pub fn counts() -> (u64, u64, u64) {
    serial::with(|serial| serial.counts())
}
