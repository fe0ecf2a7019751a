//! All CPUs of the machine.

use alloc::boxed::Box;
use core::sync::atomic::{AtomicU32, Ordering};

use percpu::CpuIndex;
use spin::Once;

use super::Cpu;

/// The blocks by index; made once, before any CPU but the first runs.
static TABLE: Once<Box<[Cpu]>> = Once::new();

/// Makes the table known.
///
/// # Panics
/// If the blocks are not in the order of their indices.
pub fn install(blocks: Box<[Cpu]>) {
    assert!(blocks.iter().enumerate().all(|(index, block)| block.index().as_usize() == index));
    TABLE.call_once(|| blocks);
}

/// All listed CPUs, online or not; none before [`install`].
#[must_use]
pub fn all() -> &'static [Cpu] {
    TABLE.get().map_or(&[], |table| table)
}

/// Whether the table is known, and this CPU's block in use.
#[must_use]
pub fn are_known() -> bool {
    TABLE.is_completed()
}

/// A CPU that is online.
#[must_use]
pub fn by_index(index: CpuIndex) -> Option<Cpu> {
    all().get(index.as_usize()).copied().filter(|block| block.is_online())
}

/// A CPU that is online: each call answers the next one in turn. The counter is shared, so this is not for hot paths.
#[must_use]
pub fn next_in_turn() -> Option<CpuIndex> {
    static TURN: AtomicU32 = AtomicU32::new(0);
    let count = u32::try_from(all().len()).ok().filter(|count| *count > 0)?;
    (0..count)
        .map(|_| CpuIndex::new(TURN.fetch_add(1, Ordering::Relaxed) % count))
        .find(|index| by_index(*index).is_some())
}
