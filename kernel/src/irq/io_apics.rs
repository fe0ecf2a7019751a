//! The machine's I/O APICs: which line leads where.

use alloc::vec::Vec;

use percpu::ApicId;
use smp::io_apic::{IoApic, Redirection, Window};
use smp::madt::{Polarity, Topology, TriggerMode};
use spin::Once;
use x86_64::PhysAddr;

use crate::console;
use crate::memory::kernel_space::map_mmio;
use crate::sync::{Mutex, rank};

/// Interrupts below this are those of the ISA bus, by their numbers there.
const ISA_INTERRUPTS: u64 = 16;
/// Bytes of an I/O APIC's registers.
const REGISTER_BYTES: u64 = 0x20;

static TOPOLOGY: Once<Topology> = Once::new();
static IO_APICS: Mutex<Vec<IoApic<Window>>, rank::IoApics> = Mutex::new(Vec::new());

/// Takes all I/O APICs over, with every input masked. Called once, on the first CPU.
pub fn initialize(topology: &Topology) {
    TOPOLOGY.call_once(|| topology.clone());
    for listed in &topology.io_apics {
        match map_mmio(PhysAddr::new(u64::from(listed.address)), REGISTER_BYTES) {
            Ok(registers) => {
                // SAFETY: mapped uncached, for ever, in the kernel's half; the MADT says that an I/O APIC is there, and this
                // is its only user.
                let window = unsafe { Window::new(registers.as_mut_ptr()) };
                #[expect(clippy::disallowed_methods, reason = "before any program runs")]
                IO_APICS.lock().push(IoApic::new(window, listed.first_interrupt));
            }
            Err(error) => {
                console::line(format_args!("I/O APIC {} at {:#x} is left out: {error}", listed.id, listed.address));
            }
        }
    }
}

/// How an interrupt line is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Its global system interrupt.
    pub interrupt: u32,
    polarity: Polarity,
    trigger_mode: TriggerMode,
}

impl Connection {
    /// The line with a number: below 16 that of the ISA bus, else a global system interrupt, which is a PCI line. `None` if the
    /// machine has no such line.
    #[must_use]
    pub fn find(line: u64) -> Option<Self> {
        let connection = if line < ISA_INTERRUPTS {
            let isa = TOPOLOGY.get()?.isa_interrupt(line as u8);
            Self { interrupt: isa.interrupt, polarity: isa.polarity, trigger_mode: isa.trigger_mode }
        } else {
            let interrupt = u32::try_from(line).ok()?;
            Self { interrupt, polarity: Polarity::ActiveLow, trigger_mode: TriggerMode::Level }
        };
        IO_APICS.lock().iter().any(|io_apic| io_apic.has(connection.interrupt)).then_some(connection)
    }

    /// Whether it interrupts for being active, not for becoming so.
    #[must_use]
    pub const fn is_level(&self) -> bool {
        matches!(self.trigger_mode, TriggerMode::Level)
    }

    /// Opens the line: it raises `vector` on the CPU with this id. Answers whether that can be expressed.
    pub fn open(&self, vector: u8, destination: ApicId) -> bool {
        let Self { interrupt, polarity, trigger_mode } = *self;
        let redirection = Redirection { vector, destination, polarity, trigger_mode, masked: false };
        self.with_io_apic(|io_apic| io_apic.route(interrupt, &redirection).is_ok()).unwrap_or(false)
    }

    /// Masks the line. What was raised before has been sent afterwards.
    pub fn mask(&self) {
        let masked = self.with_io_apic(|io_apic| io_apic.mask(self.interrupt));
        assert!(masked.is_some_and(|masked| masked.is_ok()), "it has the input");
    }

    /// Whether a CPU has been interrupted for the line's being active, and has not ended the interrupt.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.with_io_apic(|io_apic| io_apic.is_under_way(self.interrupt) == Ok(true)).unwrap_or(false)
    }

    fn with_io_apic<R>(&self, use_it: impl FnOnce(&mut IoApic<Window>) -> R) -> Option<R> {
        IO_APICS.lock().iter_mut().find(|io_apic| io_apic.has(self.interrupt)).map(use_it)
    }
}
