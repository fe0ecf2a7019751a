//! The CPU that runs the code.

use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ops::Deref;

use crossbeam_utils::CachePadded;
use percpu::{Area, AreaBuilder, BlockParts, Cpu as _, CpuShared, OwnCpu, ProcessorBlock, per_cpu};
use smp::local_apic::{LocalApic, Pins};

use super::nmi_state::NmiState;
use super::{Local, Remote};
use crate::arch::MachineCheckState;
use crate::containment::OverflowState;
use crate::ipi::CallPort;
use crate::irq::DeviceVectors;
use crate::lockdown::StopRecord;

per_cpu! {
    /// The kernel's record of each CPU; made before there is any way to reach it.
    static RECORD: CpuShared<MaybeUninit<KernelCpu>> = MaybeUninit::uninit();
}

/// A CPU of the machine, whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu(Area);

impl Cpu {
    /// The CPU that has this block.
    #[must_use]
    pub fn of_block(block: &ProcessorBlock) -> Self {
        Self(block.area())
    }

    /// Makes a CPU that has done nothing yet.
    ///
    /// # Safety
    /// As [`AreaBuilder::finish`].
    #[must_use]
    pub unsafe fn new(mut area: AreaBuilder, parts: BlockParts, record: KernelCpu) -> Self {
        area.set(&RECORD, MaybeUninit::new(record));
        // SAFETY: the contract is the same.
        Self(unsafe { area.finish(parts) })
    }

    /// Its trap state.
    #[must_use]
    #[inline(always)]
    pub fn block(self) -> &'static ProcessorBlock {
        self.0.block()
    }

    /// The kernel's record of it.
    #[must_use]
    #[inline(always)]
    pub fn kernel(self) -> &'static KernelCpu {
        // SAFETY: `new` makes every `Cpu`, and has set it.
        unsafe { RECORD.of(self).assume_init_ref() }
    }
}

impl percpu::Cpu for Cpu {
    #[inline(always)]
    fn area(&self) -> Area {
        self.0
    }
}

impl Deref for Cpu {
    type Target = ProcessorBlock;

    #[inline(always)]
    fn deref(&self) -> &ProcessorBlock {
        self.0.block()
    }
}

/// The kernel's record of one CPU.
#[derive(Debug)]
pub struct KernelCpu {
    local: OwnerOnly<Local>,
    remote: CachePadded<Remote>,
    device_vectors: CachePadded<DeviceVectors>,
    call_port: CallPort,
    apic: LocalApic,
    /// What its interrupt pins raise, as the firmware tells.
    pins: Pins,
    nmi: NmiState,
    stop_record: StopRecord,
    dump_record: StopRecord,
    overflow: OverflowState,
    machine_check: MachineCheckState,
}

impl KernelCpu {
    /// A record of a CPU that has done nothing yet. The port is of that CPU.
    #[must_use]
    pub fn new(local: Local, (apic, pins): (LocalApic, Pins), call_port: CallPort) -> Self {
        Self {
            local: OwnerOnly(local),
            remote: CachePadded::new(Remote::new()),
            device_vectors: CachePadded::new(DeviceVectors::default()),
            call_port,
            apic,
            pins,
            nmi: NmiState::default(),
            stop_record: StopRecord::new(),
            dump_record: StopRecord::new(),
            overflow: OverflowState::default(),
            machine_check: MachineCheckState::default(),
        }
    }

    /// What other CPUs may touch.
    #[must_use]
    #[inline(always)]
    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    /// Whose interrupts its device vectors are.
    #[must_use]
    #[inline(always)]
    pub fn device_vectors(&self) -> &DeviceVectors {
        &self.device_vectors
    }

    /// The local APIC of whichever CPU runs the code.
    #[must_use]
    #[inline(always)]
    pub const fn apic(&self) -> &LocalApic {
        &self.apic
    }

    /// What the pins of its local APIC raise.
    #[must_use]
    pub const fn pins(&self) -> Pins {
        self.pins
    }

    /// What it leaves behind when it stops.
    #[must_use]
    pub const fn stop_record(&self) -> &StopRecord {
        &self.stop_record
    }

    /// What it tells of itself while it goes on.
    #[must_use]
    pub const fn dump_record(&self) -> &StopRecord {
        &self.dump_record
    }

    /// What it remembers of its machine checks.
    #[must_use]
    pub const fn machine_check(&self) -> &MachineCheckState {
        &self.machine_check
    }

    /// Whether it is dealing with an overflow of one of its stacks.
    #[must_use]
    pub const fn overflow(&self) -> &OverflowState {
        &self.overflow
    }

    /// The state of its NMI handler.
    #[must_use]
    pub const fn nmi(&self) -> &NmiState {
        &self.nmi
    }
}

/// Data that only the owning CPU reaches: the one way in is [`ThisCpu::local`].
#[derive(Debug)]
#[repr(align(64))]
struct OwnerOnly<T>(T);

// SAFETY: the field is private to this module, and handed out only by `ThisCpu::local`, on the owning CPU, with interrupts
// off; NMI and machine-check handlers do not use it.
unsafe impl<T> Sync for OwnerOnly<T> {}

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
        Cpu(self.area())
    }

    /// The kernel's record of it.
    #[must_use]
    #[inline(always)]
    pub fn kernel(&self) -> &'static KernelCpu {
        self.cpu().kernel()
    }

    /// What belongs to this CPU alone.
    #[must_use]
    #[inline(always)]
    pub fn local(&self) -> &'static Local {
        &self.kernel().local.0
    }

    /// How it calls others and answers them.
    #[must_use]
    #[inline(always)]
    pub fn call_port(&self) -> &'static CallPort {
        &self.kernel().call_port
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
