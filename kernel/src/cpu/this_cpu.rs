//! The CPU that runs the code.

use core::marker::PhantomData;
use core::mem::offset_of;
use core::ops::Deref;

use crossbeam_utils::CachePadded;
use percpu::ProcessorBlock;
use smp::local_apic::{LocalApic, Pins};

use super::nmi_state::NmiState;
use super::{Local, Remote};
use crate::arch::MachineCheckState;
use crate::containment::OverflowState;
use crate::ipi::CallPort;
use crate::irq::DeviceVectors;
use crate::lockdown::StopRecord;

/// A CPU's block with the kernel's record in it.
pub type Block = ProcessorBlock<KernelCpu>;

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

/// Where assembly finds the thread that runs, from the GS base: null when idle.
pub const CURRENT_THREAD: usize =
    Block::KERNEL + offset_of!(KernelCpu, local) + offset_of!(OwnerOnly<Local>, 0) + Local::CURRENT;

/// Data that only the owning CPU reaches: the one way in is [`ThisCpu::local`]. Not `CachePadded`: assembly needs its offset,
/// and that type does not show where its value lies.
#[derive(Debug)]
#[repr(align(64))]
struct OwnerOnly<T>(T);

// SAFETY: the field is private to this module, and handed out only by `ThisCpu::local`, on the owning CPU, with interrupts
// off; NMI and machine-check handlers do not use it.
unsafe impl<T> Sync for OwnerOnly<T> {}

/// Proof that the code runs on the CPU of this block. It is not `Send`, and the kernel never moves between CPUs while
/// it runs: it has no thread of its own.
#[derive(Clone, Copy, Debug)]
pub struct ThisCpu {
    block: &'static Block,
    not_send: PhantomData<*const ()>,
}

impl ThisCpu {
    /// What belongs to this CPU alone.
    #[must_use]
    #[inline(always)]
    pub const fn local(&self) -> &'static Local {
        &self.block.kernel().local.0
    }

    /// How it calls others and answers them.
    #[must_use]
    #[inline(always)]
    pub const fn call_port(&self) -> &'static CallPort {
        &self.block.kernel().call_port
    }
}

impl Deref for ThisCpu {
    type Target = Block;

    #[inline(always)]
    fn deref(&self) -> &Block {
        self.block
    }
}

/// The CPU that runs the code.
///
/// To be called after the CPU's block is in use. Before that the GS base is 0, where nothing is mapped: a call too
/// early faults instead of misleading.
#[must_use]
#[inline(always)]
pub fn this() -> ThisCpu {
    // SAFETY: kernel code runs with the kernel's GS base, and all blocks of this kernel have this type. The kernel never blocks
    // with state on its stack, and no interrupt goes on elsewhere: what began on a CPU ends there.
    ThisCpu { block: unsafe { percpu::current_stable::<KernelCpu>() }, not_send: PhantomData }
}

/// The CPU that runs the code, if its block is in use: to be called when nothing is certain. Slower than [`this`].
#[must_use]
pub fn try_this() -> Option<ThisCpu> {
    let base = x86_64::registers::model_specific::GsBase::read().as_u64();
    let block = super::all().iter().copied().find(|block| core::ptr::from_ref::<Block>(block) as u64 == base)?;
    Some(ThisCpu { block, not_send: PhantomData })
}
