//! The interrupt of the console's serial line, which the kernel has for itself.

use alloc::sync::Arc;

use percpu::CpuIndex;
use spin::Once;

use super::io_apics::Connection;
use super::serial_input;
use crate::arch::KernelInterrupt;
use crate::clock::moment_after;
use crate::console;
use crate::cpu::{self, ThisCpu};
use crate::sched::Next;
use crate::time::{Action, Timer};

/// COM1's interrupt on the ISA bus.
const LINE: u64 = 4;

/// How the line is connected, once it is open.
static CONNECTION: Once<Connection> = Once::new();

/// How often what waits is looked after where nothing interrupts. Nanoseconds.
const PERIOD: u64 = 10_000_000;

/// What looks after it.
static POLLING: Once<Arc<Timer>> = Once::new();

/// Lets the serial line interrupt the first CPU. Where it cannot, what waits goes out by a timer of the calling CPU, and nothing is
/// received.
pub fn initialize(cpu: &ThisCpu) {
    if !connect()
        && let Ok(timer) = Timer::new(cpu.index(), Action::Call(poll, 0))
    {
        POLLING.call_once(|| timer);
        let _ = poll(cpu, 0);
    }
}

fn connect() -> bool {
    let Some(connection) = Connection::find(LINE) else { return false };
    let Some(first) = cpu::by_index(CpuIndex::BOOT) else { return false };
    let connected = connection.open(KernelInterrupt::Serial.number(), first.apic_id()) && console::enable_interrupts();
    if connected {
        CONNECTION.call_once(|| connection);
    } else {
        connection.mask();
    }
    connected
}

/// The timer's action.
fn poll(cpu: &ThisCpu, _argument: u64) -> Next {
    console::poll();
    if let Some(timer) = POLLING.get() {
        timer.set(cpu, moment_after(PERIOD));
    }
    Next::Stay
}

/// Whether an interrupt line is the kernel's.
pub(super) fn has(connection: &Connection) -> bool {
    CONNECTION.get().is_some_and(|own| own.interrupt == connection.interrupt)
}

/// Handles the interrupt, if the vector is the line's.
pub(super) fn arrived(cpu: &ThisCpu, vector: u64) -> Option<Next> {
    if vector != u64::from(KernelInterrupt::Serial.number()) {
        return None;
    }
    // Before the handler looks: an edge that comes afterwards is a new interrupt.
    cpu.apic().end_of_interrupt();
    Some(serial_input::interrupt(cpu))
}
