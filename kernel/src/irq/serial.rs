//! The interrupt of the console's serial line, which the kernel has for itself.

use percpu::CpuIndex;
use spin::Once;

use super::io_apics::Connection;
use crate::arch::x86_64::vectors;
use crate::console;
use crate::cpu::{self, ThisCpu};
use crate::sched::Next;

/// COM1's interrupt on the ISA bus.
const LINE: u64 = 4;

/// How the line is connected, once it is open.
static CONNECTION: Once<Connection> = Once::new();

/// Lets the serial line interrupt the first CPU. Where it cannot, what is written goes out by polling, and nothing is received.
pub fn initialize() {
    let Some(connection) = Connection::find(LINE) else { return };
    let Some(first) = cpu::by_index(CpuIndex::BOOT) else { return };
    if connection.open(vectors::SERIAL, first.apic_id()) && console::enable_interrupts() {
        CONNECTION.call_once(|| connection);
    } else {
        connection.mask();
    }
}

/// Whether an interrupt line is the kernel's.
pub(super) fn has(connection: &Connection) -> bool {
    CONNECTION.get().is_some_and(|own| own.interrupt == connection.interrupt)
}

/// Handles the interrupt, if the vector is the line's.
pub(super) fn arrived(cpu: &ThisCpu, vector: u64) -> Option<Next> {
    if vector != u64::from(vectors::SERIAL) {
        return None;
    }
    // Before the handler looks: an edge that comes afterwards is a new interrupt.
    cpu.kernel().apic().end_of_interrupt();
    Some(console::interrupt(cpu))
}
