//! Where an interrupt comes: a vector of a CPU.

use alloc::sync::{Arc, Weak};

use gatehouse_abi::Error;
use percpu::{ApicId, CpuIndex, CpuShared, per_cpu};

use super::Interrupt;
use super::vector_table::{Arrival, VectorTable};
use crate::arch::{DEVICE_INTERRUPTS, FIRST_DEVICE_INTERRUPT};
use crate::cpu::{self, Cpu, ThisCpu};
use crate::ipi::{Operation, call_or_report};
use crate::sync::{Mutex, rank};

/// I/O APICs and messages reach the CPUs whose ids are below this.
const REACHABLE: u32 = 255;
/// A CPU's device vectors. Other CPUs use it to bind, move and unbind what comes here.
pub type DeviceVectors =
    Mutex<VectorTable<Arc<Interrupt>, Weak<Interrupt>, FIRST_DEVICE_INTERRUPT, DEVICE_INTERRUPTS>, rank::Vectors>;

per_cpu! {
    /// The device vectors of this CPU.
    pub(super) static VECTORS: CpuShared<DeviceVectors> = DeviceVectors::new(VectorTable::new());
}

/// A vector of a CPU, which an interrupt has. It is given back by [`Self::leave`] or [`Self::take_back`].
#[derive(Debug)]
pub struct VectorAssignment {
    block: Cpu,
    vector: u8,
}

impl VectorAssignment {
    /// Takes a free vector of a CPU for an interrupt. May wait for that CPU: to be called with no lock held.
    ///
    /// # Errors
    /// [`Error::NoVector`] if none is free.
    pub fn take(cpu: &ThisCpu, block: Cpu, interrupt: &Arc<Interrupt>) -> Result<Self, Error> {
        let bind = || VECTORS.of(block).lock().bind(Arc::clone(interrupt));
        let vector = bind().or_else(|| {
            settle(cpu, block);
            bind()
        });
        vector.map(|vector| Self { block, vector }).ok_or(Error::NoVector)
    }

    /// The CPU.
    pub const fn block(&self) -> Cpu {
        self.block
    }

    /// Whether it is of this CPU.
    pub fn is_on(&self, block: Cpu) -> bool {
        self.block.index() == block.index()
    }

    /// The CPU's id.
    pub fn destination(&self) -> ApicId {
        self.block.apic_id()
    }

    /// The vector.
    pub const fn vector(&self) -> u8 {
        self.vector
    }

    /// Gives up a vector that is raised no more. What is under way is told to whoever has bound `told` by then, or nobody. The CPU frees
    /// it when that has come, or is asked to by [`settle`].
    pub fn leave(self, told: Option<Weak<Interrupt>>) {
        // Bound to before it is dropped, with the lock released.
        let bound = VECTORS.of(self.block).lock().leave(self.vector, told);
        drop(bound);
    }

    /// Gives back a vector that was never raised.
    pub fn take_back(self) {
        let bound = VECTORS.of(self.block).lock().take_back(self.vector);
        drop(bound);
    }
}

/// A CPU that interrupts of devices reach.
pub fn reachable(index: CpuIndex) -> Option<Cpu> {
    cpu::by_index(index).filter(|block| block.apic_id().get() < REACHABLE)
}

/// Has a CPU free the vectors that were left there and of which nothing is under way. Waits for it: to be called with no lock held.
/// If the CPU does not answer, that is told, and they stay taken until the next time.
pub fn settle(cpu: &ThisCpu, block: Cpu) {
    if block.index() == cpu.index() {
        settle_here(cpu, 0);
    } else {
        let operation = Operation::Function(settle_here, 0);
        call_or_report(cpu, [block], operation, "which interrupts of devices are under way");
    }
}

fn settle_here(cpu: &ThisCpu, _: u64) {
    let apic = cpu.apic();
    VECTORS.of(cpu).lock().settle(|vector| apic.request_pending(vector));
}

/// Whose an interrupt is that has come to this CPU; `None` if nobody has the vector.
pub fn find(cpu: &ThisCpu, vector: u64) -> Option<Arrival<Arc<Interrupt>, Weak<Interrupt>>> {
    let is_pending = || u8::try_from(vector).is_ok_and(|vector| cpu.apic().request_pending(vector));
    VECTORS.of(cpu).lock().arrived(vector, is_pending)
}

/// How many vectors of a CPU interrupts have.
#[must_use]
pub fn vectors_in_use(cpu: Cpu) -> usize {
    VECTORS.of(cpu).lock().in_use()
}
