//! Who is told that bytes have come by the serial line.

use crate::console;
use crate::cpu::ThisCpu;
use crate::ipc::{Notification, Signalled};
use crate::object::Counted;
use crate::sched::Next;
use crate::sync::{Mutex, rank};

/// Who is told that bytes have come, and by which badge.
static READER: Mutex<Option<(Counted<Notification>, u64)>, rank::Reader> = Mutex::new(None);

/// From now on the notification is signalled when bytes have come; at once if some have come already. Answers who was told
/// before, to be dropped with no lock held.
pub fn bind_console(
    cpu: &ThisCpu,
    reader: Option<(Counted<Notification>, u64)>,
) -> (Option<Counted<Notification>>, Next) {
    let before = core::mem::replace(&mut *READER.lock(), reader);
    // In this order: an interrupt that has told the reader before has put the bytes there before.
    let next = if console::has_received() { tell_reader(cpu) } else { Next::Stay };
    (before.map(|(notification, _)| notification), next)
}

/// The line interrupts. The caller ends the interrupt.
pub(super) fn interrupt(cpu: &ThisCpu) -> Next {
    if console::interrupt() { tell_reader(cpu) } else { Next::Stay }
}

/// Signals whoever wants to know, and wakes who waits with no lock held.
fn tell_reader(cpu: &ThisCpu) -> Next {
    let signalled =
        READER.lock().as_ref().map_or(Signalled::NOBODY, |(notification, badge)| notification.object().set(*badge));
    signalled.wake(cpu)
}
