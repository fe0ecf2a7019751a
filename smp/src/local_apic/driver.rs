//! The driver: enabling, identity, end of interrupt, inter-processor interrupts, errors.

use core::fmt;

use percpu::ApicId;

use x2apic::lapic::ErrorFlags;

use super::mode::{APIC_BASE, ENABLED, EXTENDED, Mode, transition};
use super::pins::Pins;
use super::registers::{Hardware, Register, RegisterAccess};
use super::vector::Vector;
use crate::bring_up::IpiSender;
use crate::icr::{self, Command, Destination, EncodeError, XApicBits};

/// The vector of spurious interrupts. They need no end of interrupt.
pub const SPURIOUS_VECTOR: u8 = 0xff;

/// Spurious-interrupt vector register: the APIC is enabled by software.
const SOFTWARE_ENABLE: u32 = 1 << 8;
/// Local vector table: the entry is masked.
pub(super) const LVT_MASKED: u32 = 1 << 16;
/// Version register, bits 23:16: the number of the last entry of the local vector table.
const LAST_ENTRY_SHIFT: u32 = 16;
/// Entries that not every local APIC has, each with the number of the last entry from which on it is there. Source: Intel SDM
/// volume 3A, "Local APIC Version Register".
const OPTIONAL_ENTRIES: [(u32, Register); 3] =
    [(4, Register::LVT_PERFORMANCE), (5, Register::LVT_THERMAL), (6, Register::LVT_CMCI)];
/// Interrupts that can be in service: one for each vector.
const MOST_IN_SERVICE: u32 = 256;
/// ICR of xAPIC mode: the previous command has not left yet.
const DELIVERY_PENDING: u32 = 1 << 12;
/// Looks at the delivery status before a command counts as stuck. It normally clears within microseconds;
/// the looks are uncached reads of some 100 ns each.
const DELIVERY_LOOKS: u32 = 100_000;

/// Why an inter-processor interrupt was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The command has no bits in this mode.
    Encode(EncodeError),
    /// In xAPIC mode the previous command never left the APIC.
    Stuck,
}

impl fmt::Display for SendError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encode(error) => error.fmt(formatter),
            Self::Stuck => formatter.write_str("the local APIC does not finish sending the previous IPI"),
        }
    }
}

impl core::error::Error for SendError {}

impl From<EncodeError> for SendError {
    fn from(error: EncodeError) -> Self {
        Self::Encode(error)
    }
}

/// The local APIC of whichever CPU runs the code. One value serves all CPUs: it holds no state of any.
///
/// ```no_run
/// use smp::icr::{Command, Destination};
/// use smp::local_apic::{LocalApic, Mode, Pins, TimerMode, Vector};
///
/// const ERROR: Vector = Vector::new(0xfe).unwrap();
/// const TIMER: Vector = Vector::new(0xf9).unwrap();
///
/// // SAFETY: ring 0, on a CPU with x2APIC mode; the value stays in the kernel.
/// let apic = unsafe { LocalApic::new(Mode::X2Apic, core::ptr::null_mut()) };
/// apic.enable(ERROR, Pins::STANDARD);
/// apic.set_timer(TimerMode::OneShot { vector: TIMER });
/// apic.arm_one_shot(1_000_000);
/// // The current count cannot be asked for; that the time is over can:
/// while !apic.request_pending(TIMER.get()) {
///     core::hint::spin_loop();
/// }
/// apic.send(Command::Nmi, Destination::AllExcludingSelf)?;
/// # Ok::<(), smp::local_apic::SendError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LocalApic<R: RegisterAccess = Hardware> {
    mode: Mode,
    pub(super) registers: R,
}

impl LocalApic {
    /// The driver for a mode, which [`choose_mode`](super::choose_mode) picked for all CPUs. Touches no hardware.
    ///
    /// `mmio_base` is the virtual address of the local APIC's page and is used in xAPIC mode only; in x2APIC
    /// mode it may be null.
    ///
    /// # Safety
    /// * The value and its copies are used in ring 0 only, on CPUs that have the mode.
    /// * In xAPIC mode `mmio_base` stays mapped, writable and uncached, to the local APIC's physical address
    ///   ([`Topology::local_apic_address`](crate::madt::Topology::local_apic_address)), in every address space
    ///   in which the value is used.
    /// * Whoever holds the value can interrupt, reset and start CPUs. It stays with code that is trusted
    ///   to raise only vectors that are handled, and to start CPUs only at a trampoline.
    #[must_use]
    pub const unsafe fn new(mode: Mode, mmio_base: *mut u8) -> Self {
        // SAFETY: the caller's promise is the one that is asked for.
        Self { mode, registers: unsafe { Hardware::new(mmio_base) } }
    }
}

impl<R: RegisterAccess> LocalApic<R> {
    /// The driver over other registers, for tests.
    #[cfg(test)]
    pub(super) const fn over(mode: Mode, registers: R) -> Self {
        Self { mode, registers }
    }

    /// The mode that the driver was made for.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Enables the calling CPU's local APIC in the driver's mode, whatever RESET, firmware or another kernel left in it. To be called
    /// once on every CPU, with interrupts off and an NMI handler in place.
    ///
    /// `pins` says what the CPU's LINT pins raise: [`Topology::pins`](crate::madt::Topology::pins), as the firmware
    /// tells, or [`Pins::STANDARD`].
    ///
    /// Afterwards: task priority 0; spurious interrupts on [`SPURIOUS_VECTOR`]; errors raise `error_vector`; the entries of timer,
    /// performance counters, thermal sensor and corrected machine checks are masked; no interrupt is in service; the error status is
    /// clear. What was requested and not yet taken comes when interrupts are let in.
    pub fn enable(&self, error_vector: Vector, pins: Pins) {
        for value in transition(self.registers.read_msr(APIC_BASE), self.mode) {
            self.registers.write_msr(APIC_BASE, value);
        }
        self.write(Register::TASK_PRIORITY, 0);
        // Before the local vector table: while the APIC is disabled by software, hardware keeps all its
        // entries masked and ignores what clears a mask.
        self.write(Register::SPURIOUS_VECTOR, SOFTWARE_ENABLE | u32::from(SPURIOUS_VECTOR));
        self.write(Register::LVT_TIMER, LVT_MASKED);
        let last_entry = self.read(Register::VERSION) >> LAST_ENTRY_SHIFT & 0xff;
        for (from, entry) in OPTIONAL_ENTRIES {
            if last_entry >= from {
                self.write(entry, LVT_MASKED);
            }
        }
        self.set_pins(pins);
        self.end_all_in_service();
        let _before = self.error_status();
        self.write(Register::LVT_ERROR, u32::from(error_vector.get()));
    }

    /// Sets what the calling CPU's LINT pins raise.
    pub fn set_pins(&self, pins: Pins) {
        self.write(Register::LVT_LINT0, pins.lint0.bits());
        self.write(Register::LVT_LINT1, pins.lint1.bits());
    }

    /// Ends what firmware, or a kernel before this one, has left in service: it would keep out all interrupts of its
    /// priority and below.
    fn end_all_in_service(&self) {
        for _ in 0..MOST_IN_SERVICE {
            if (0..8).all(|word| self.read(Register::in_service(word)) == 0) {
                return;
            }
            self.end_of_interrupt();
        }
    }

    /// Disables the calling CPU's local APIC: it takes and sends no interrupt until [`enable`](Self::enable).
    ///
    /// Both mode bits are cleared by one write. Clearing the enable bit alone is illegal in x2APIC mode.
    pub fn disable(&self) {
        let base = self.registers.read_msr(APIC_BASE);
        self.registers.write_msr(APIC_BASE, base & !(ENABLED | EXTENDED));
    }

    /// The calling CPU's id.
    #[must_use]
    pub fn id(&self) -> ApicId {
        match self.mode {
            Mode::XApic => ApicId::new(self.read(Register::ID) >> 24),
            Mode::X2Apic => ApicId::new(self.read(Register::ID)),
        }
    }

    /// Ends the interrupt in service. Not for NMIs, nor for [`SPURIOUS_VECTOR`].
    // On the way out of every interrupt. Inlined, x2APIC mode takes a test of the mode and four instructions.
    #[inline(always)]
    pub fn end_of_interrupt(&self) {
        self.write(Register::END_OF_INTERRUPT, 0);
    }

    /// Sends an inter-processor interrupt. Stores made before are visible at the destination when it arrives.
    ///
    /// In xAPIC mode the command takes two writes, so nothing that may send too can be let in between:
    /// interrupts are off, and NMI handlers that send are not mixed with others.
    ///
    /// # Errors
    /// When the mode cannot express the command, or, in xAPIC mode, the previous one never left.
    #[inline]
    pub fn send(&self, command: Command, destination: Destination) -> Result<(), SendError> {
        match self.mode {
            Mode::X2Apic => {
                let bits = icr::encode_x2apic(command, destination)?;
                // WRMSR to x2APIC registers does not wait for earlier stores. Source: Intel SDM volume 3A,
                // "WRMSR in x2APIC Mode".
                self.registers.fence();
                self.registers.write_msr(Register::COMMAND_LOW.msr(), bits);
            }
            Mode::XApic => {
                let XApicBits { high, low } = icr::encode_xapic(command, destination)?;
                self.wait_for_delivery()?;
                self.registers.compiler_fence();
                self.registers.write_memory(Register::COMMAND_HIGH, high);
                self.registers.write_memory(Register::COMMAND_LOW, low);
            }
        }
        Ok(())
    }

    /// Tells whether the calling CPU has an interrupt of this vector waiting (its bit in the interrupt request
    /// register).
    #[must_use]
    pub fn request_pending(&self, vector: u8) -> bool {
        self.read(Register::interrupt_request(vector)) >> (vector % 32) & 1 != 0
    }

    /// The errors since the last call, and clears them.
    ///
    /// The register shows what was gathered up to the last write to it, so it is written, then read. Source:
    /// Intel SDM volume 3A, "Error Handling".
    #[must_use]
    pub fn error_status(&self) -> ErrorFlags {
        self.write(Register::ERROR_STATUS, 0);
        ErrorFlags::from_bits_truncate(self.read(Register::ERROR_STATUS) as u8)
    }

    /// xAPIC mode: waits until the previous command has left.
    fn wait_for_delivery(&self) -> Result<(), SendError> {
        for _ in 0..DELIVERY_LOOKS {
            if self.registers.read_memory(Register::COMMAND_LOW) & DELIVERY_PENDING == 0 {
                return Ok(());
            }
            core::hint::spin_loop();
        }
        Err(SendError::Stuck)
    }

    #[inline(always)]
    pub(super) fn read(&self, register: Register) -> u32 {
        match self.mode {
            Mode::XApic => self.registers.read_memory(register),
            Mode::X2Apic => self.registers.read_msr(register.msr()) as u32,
        }
    }

    #[inline(always)]
    pub(super) fn write(&self, register: Register, value: u32) {
        match self.mode {
            Mode::XApic => self.registers.write_memory(register, value),
            Mode::X2Apic => self.registers.write_msr(register.msr(), u64::from(value)),
        }
    }
}

impl<R: RegisterAccess> IpiSender for LocalApic<R> {
    fn own_id(&self) -> ApicId {
        self.id()
    }

    fn send(&self, command: Command, destination: Destination) -> Result<(), SendError> {
        LocalApic::send(self, command, destination)
    }
}
