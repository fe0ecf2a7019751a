//! The CPU that runs the code.

use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr;

use percpu::{ApicId, Area, AreaBuilder, Cpu as _, CpuLocal, OwnCpu, ProcessorBlock, per_cpu};
use smp::local_apic::{LocalApic, Mode, Pins};

use super::Cpu;
use super::cpu::{IPI_TARGET, IpiTarget};

per_cpu! {
    /// The driver of this CPU's local APIC: set before it runs, in the machine's mode.
    // SAFETY: the value is replaced before anything can use it.
    static APIC: CpuLocal<LocalApic> = unsafe { LocalApic::new(Mode::X2Apic, ptr::null_mut()) };
    /// What its interrupt pins raise, as the firmware tells.
    static PINS: CpuLocal<Pins> = Pins::STANDARD;
}

/// Prepares a CPU that is being made.
pub fn prepare_cpu(area: &mut AreaBuilder, apic_id: ApicId, apic: LocalApic, pins: Pins) {
    area.set(&IPI_TARGET, IpiTarget::new(apic_id));
    area.set(&APIC, apic);
    area.set(&PINS, pins);
}

/// Proof that the code runs on a CPU: the one that it means wherever it is used. It is not `Send`, and the kernel never moves between
/// CPUs while it runs: it has no thread of its own.
#[derive(Clone, Copy, Debug)]
pub struct ThisCpu {
    not_send: PhantomData<*const ()>,
}

impl percpu::Cpu for ThisCpu {
    #[inline(always)]
    fn area(&self) -> Area {
        // SAFETY: who has a `ThisCpu` runs kernel code, with the kernel's GS base, on a CPU whose block is in use. The kernel never
        // blocks with state on its stack, and no interrupt goes on elsewhere: what began on a CPU ends there.
        unsafe { Area::current_stable() }
    }
}

// SAFETY: it is not `Send`, and the kernel's code stays on its CPU. Interrupts are off while it runs; NMI and machine-check handlers
// use no variable of their CPU's alone but the pointer to the running thread, which is one word.
unsafe impl OwnCpu for ThisCpu {}

impl ThisCpu {
    /// The same CPU, as others name it.
    #[must_use]
    #[inline(always)]
    pub fn cpu(&self) -> Cpu {
        Cpu::new(self.area())
    }

    /// The driver of its local APIC.
    #[must_use]
    #[inline(always)]
    pub fn apic(&self) -> &LocalApic {
        APIC.of(self)
    }

    /// What the pins of its local APIC raise.
    #[must_use]
    pub fn pins(&self) -> Pins {
        *PINS.of(self)
    }
}

impl Deref for ThisCpu {
    type Target = ProcessorBlock;

    #[inline(always)]
    fn deref(&self) -> &ProcessorBlock {
        self.area().block()
    }
}

/// The CPU that runs the code.
///
/// To be called after the CPU's block is in use. Before that the GS base is 0, where nothing is mapped, or leads to a block whose
/// anchor leads nowhere: what is done too early faults instead of misleading.
#[must_use]
#[inline(always)]
pub fn this() -> ThisCpu {
    ThisCpu { not_send: PhantomData }
}

/// The CPU that runs the code, if its block is in use: to be called when nothing is certain. Slower than [`this`].
#[must_use]
pub fn try_this() -> Option<ThisCpu> {
    let base = x86_64::registers::model_specific::GsBase::read().as_u64();
    let is_in_use = super::all().iter().any(|cpu| core::ptr::from_ref::<ProcessorBlock>(cpu) as u64 == base);
    is_in_use.then(this)
}
