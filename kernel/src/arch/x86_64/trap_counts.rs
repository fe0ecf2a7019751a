//! A CPU's entry counters by what the vectors mean.

use percpu::EntryCounters;

use super::vectors;

/// How often each kind of trap was taken.
#[derive(Clone, Copy, Debug)]
pub struct TrapCounts {
    /// By exception.
    pub exceptions: [u64; 32],
    /// System calls by SYSCALL.
    pub syscall: u64,
    /// System calls by `int 0x80`.
    pub int80: u64,
    /// Timer interrupts.
    pub timer: u64,
    /// Inter-processor interrupts.
    pub ipi: u64,
    /// Device interrupts.
    pub device: u64,
    /// Spurious interrupts.
    pub spurious: u64,
}

impl TrapCounts {
    /// Reads a CPU's counters.
    #[must_use]
    pub fn of(entries: &EntryCounters) -> Self {
        let by_vector = |vector: u8| entries.entries(usize::from(vector));
        Self {
            exceptions: core::array::from_fn(|vector| entries.entries(vector)),
            syscall: entries.entries(EntryCounters::SYSCALL),
            int80: by_vector(vectors::SYSTEM_CALL),
            timer: by_vector(vectors::TIMER),
            ipi: by_vector(vectors::IPI),
            device: (vectors::FIRST_DEVICE..vectors::DEVICE_END).map(by_vector).sum(),
            spurious: by_vector(vectors::SPURIOUS),
        }
    }
}
