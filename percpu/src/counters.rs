//! How often each vector was entered.

use core::sync::atomic::{AtomicU64, Ordering};

/// Entries by vector: 256 for the IDT and one more for SYSCALL. Each block has one ([`crate::ProcessorBlock::entries`]).
///
/// ```
/// fn page_faults(block: &percpu::ProcessorBlock) -> u64 {
///     block.entries().entries(14)
/// }
/// ```
#[derive(Debug)]
#[repr(C)]
pub struct EntryCounters([AtomicU64; EntryCounters::LENGTH]);

impl EntryCounters {
    /// The number under which SYSCALL entries count: the first that no interrupt vector has.
    pub const SYSCALL: usize = 256;
    const LENGTH: usize = 257;

    pub(crate) const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; Self::LENGTH])
    }

    /// Counts one entry. Only the owning CPU may call this: the update is a plain read and write, not one locked
    /// operation, so that counting costs a single instruction. Numbers past the table are not counted.
    #[inline(always)]
    pub fn count(&self, number: usize) {
        if let Some(counter) = self.0.get(number) {
            counter.store(counter.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        }
    }

    /// How often the vector was entered; 0 for numbers past the table. Any CPU may ask.
    #[must_use]
    #[inline]
    pub fn entries(&self, number: usize) -> u64 {
        self.0.get(number).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }
}
