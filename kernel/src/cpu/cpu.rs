//! A CPU of the machine, as any of them names it.

use core::ops::Deref;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use percpu::{ApicId, Area, CpuShared, ProcessorBlock, per_cpu};
use smp::ipi::PendingSet;

per_cpu! {
    /// How this CPU is kicked; its id is set before it runs.
    pub static IPI_TARGET: CpuShared<IpiTarget> = IpiTarget::new(ApicId::new(0));
    static ONLINE: CpuShared<Online> = Online { is_online: AtomicBool::new(false), nanoseconds: AtomicU64::new(0) };
}

/// What another CPU needs to kick one, on one cache line.
#[derive(Debug)]
pub struct IpiTarget {
    /// Why it was kicked.
    pub pending: PendingSet,
    /// Where the interrupt goes.
    pub apic_id: ApicId,
}

impl IpiTarget {
    /// Of a CPU with this id that nobody has kicked.
    pub(super) const fn new(apic_id: ApicId) -> Self {
        Self { pending: PendingSet::new(), apic_id }
    }
}

/// Whether a CPU takes threads, and how long it took to come.
struct Online {
    is_online: AtomicBool,
    nanoseconds: AtomicU64,
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

    /// A CPU that has done nothing yet.
    #[must_use]
    pub const fn new(area: Area) -> Self {
        Self(area)
    }

    /// Its trap state.
    #[must_use]
    #[inline(always)]
    pub fn block(self) -> &'static ProcessorBlock {
        self.0.block()
    }

    /// Whether it takes threads.
    #[must_use]
    #[inline(always)]
    pub fn is_online(self) -> bool {
        ONLINE.of(self).is_online.load(Ordering::Acquire)
    }

    /// It takes threads from now on. Nanoseconds from the first INIT until now; 0 for the first CPU.
    pub fn set_online(self, since_start_ns: u64) {
        ONLINE.of(self).nanoseconds.store(since_start_ns, Ordering::Relaxed);
        ONLINE.of(self).is_online.store(true, Ordering::Release);
    }

    /// Nanoseconds from the first INIT until the CPU was online; 0 for the first CPU.
    #[must_use]
    pub fn online_ns(self) -> u64 {
        ONLINE.of(self).nanoseconds.load(Ordering::Relaxed)
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
