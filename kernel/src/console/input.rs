//! What comes by the serial line, for whoever wants to read it.

use super::serial::SERIAL;
use crate::cpu::ThisCpu;
use crate::ipc::{Notification, Signalled};
use crate::object::Counted;
use crate::sched::Next;
use crate::sync::Mutex;

/// Who is told that bytes have come, and by which badge.
static READER: Mutex<Option<(Counted<Notification>, u64)>> = Mutex::new(None);

/// From now on the notification is signalled when bytes have come; at once if some have come already. Answers who was told
/// before, to be dropped with no lock held.
pub fn bind(cpu: &ThisCpu, reader: Option<(Counted<Notification>, u64)>) -> (Option<Counted<Notification>>, Next) {
    let (before, signalled) = {
        let mut bound = READER.lock();
        let before = core::mem::replace(&mut *bound, reader);
        let signalled = match &*bound {
            Some((notification, badge)) if SERIAL.lock().has_received() => notification.object().set(*badge),
            _ => Signalled::NOBODY,
        };
        (before, signalled)
    };
    (before.map(|(notification, _)| notification), signalled.wake(cpu))
}

/// Moves bytes that have come to `target`; answers how many.
pub fn take(target: &mut [u8]) -> usize {
    SERIAL.lock().take_received(target)
}

/// Lets the line interrupt; `false` if the machine has none.
pub fn enable_interrupts() -> bool {
    SERIAL.lock().enable_interrupts()
}

/// The line interrupts. The caller ends the interrupt.
pub fn interrupt(cpu: &ThisCpu) -> Next {
    if !SERIAL.lock().interrupt() {
        return Next::Stay;
    }
    let signalled =
        READER.lock().as_ref().map_or(Signalled::NOBODY, |(notification, badge)| notification.object().set(*badge));
    signalled.wake(cpu)
}

/// Bytes that have come, that had to wait to be sent, and that were dropped, since the start.
pub fn counts() -> (u64, u64, u64) {
    SERIAL.lock().counts()
}
