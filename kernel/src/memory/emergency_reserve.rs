//! A block of the heap that each CPU has held in reserve, for the one allocation that it has promised.
//!
//! `Arc` and `Box` cannot be told that there is no memory. So whoever makes one asks for the promise before: as long as
//! the CPU has a block held in reserve, the next small allocation is served, by the heap or from the block. A CPU whose block is
//! gone looks for another when it is asked for the next promise, and refuses it if the heap has none. Other CPUs cannot
//! take a promise away, since the block becomes another one in one step under the heap's lock.

use core::alloc::Layout;
use core::cell::Cell;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_core::fallible::OutOfHeap;
use percpu::{CpuLocal, per_cpu};

use super::heap;
use crate::cpu;

/// The most that can be promised, in bytes.
pub const LIMIT: usize = 2048;

/// The most that it can be aligned to, in bytes.
pub const ALIGNMENT_LIMIT: usize = 64;

/// The layout of every block that is kept in reserve. A whole allocation of [`LIMIT`] bytes fits into it once it is free.
const BLOCK: Layout = match Layout::from_size_align(LIMIT, ALIGNMENT_LIMIT) {
    Ok(layout) => layout,
    Err(_) => panic!("the alignment is a power of two"),
};

/// Bytes that all CPUs have held in reserve.
static BYTES: AtomicU64 = AtomicU64::new(0);

/// Bytes that all CPUs have held in reserve.
pub(super) fn bytes() -> u64 {
    BYTES.load(Ordering::Relaxed)
}

per_cpu! {
    /// What the next allocation that must not fail can have.
    pub static EMERGENCY_RESERVE: CpuLocal<EmergencyReserve> = EmergencyReserve::new();
}

/// What one CPU has held in reserve.
#[derive(Debug)]
pub struct EmergencyReserve {
    block: Cell<Option<NonNull<u8>>>,
    /// Which of the next promises and reservations is refused, counted from 1; 0 for none: see [`Self::refuse`].
    refused: Cell<u64>,
}

// SAFETY: the block belongs to the heap, not to a CPU.
unsafe impl Send for EmergencyReserve {}

impl EmergencyReserve {
    /// Nothing is kept in reserve.
    const fn new() -> Self {
        Self { block: Cell::new(None), refused: Cell::new(0) }
    }

    /// Promises that the next allocation of at most [`LIMIT`] bytes is served.
    ///
    /// # Errors
    /// [`OutOfHeap`].
    #[inline(always)]
    pub fn promise(&self) -> Result<(), OutOfHeap> {
        if self.block.get().is_some() { Ok(()) } else { self.prepare() }
    }

    /// Runs what allocates and can be told that there is no memory, unless a test wants it refused.
    ///
    /// # Errors
    /// [`OutOfHeap`].
    #[inline(always)]
    pub fn reserve<T>(&self, allocate: impl FnOnce() -> Result<T, OutOfHeap>) -> Result<T, OutOfHeap> {
        if self.refused.get() != 0 {
            self.count_down()?;
        }
        allocate()
    }

    /// Sets a block aside again.
    #[cold]
    #[inline(never)]
    fn prepare(&self) -> Result<(), OutOfHeap> {
        if self.refused.get() != 0 {
            // Without a block held in reserve every promise comes by here.
            return self.count_down();
        }
        let count = || _ = BYTES.fetch_add(LIMIT as u64, Ordering::Relaxed);
        self.block.set(Some(heap::take_block(BLOCK, count).ok_or(OutOfHeap)?));
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn count_down(&self) -> Result<(), OutOfHeap> {
        let left = self.refused.get() - 1;
        self.refused.set(left);
        if left == 0 { Err(OutOfHeap) } else { Ok(()) }
    }

    /// Lets the promise or reservation with this number fail, counted from 1 for the next one; 0 for none. Answers what was
    /// left of the number before: 0 if that one was refused.
    pub fn refuse(&self, number: u64) -> u64 {
        self.give_back(None);
        self.refused.replace(number)
    }

    /// Gives the block up, for an allocation if there is one.
    fn give_back(&self, wanted: Option<Layout>) -> Option<NonNull<u8>> {
        let block = self.block.take()?;
        let count = || _ = BYTES.fetch_sub(LIMIT as u64, Ordering::Relaxed);
        // SAFETY: `prepare` took it with this layout, and nobody has it any more.
        unsafe { heap::exchange_block(block, BLOCK, wanted, count) }
    }
}

/// Serves an allocation for which the heap has no room from what this CPU has held in reserve, if it fits; else answers null. Most
/// often it is the one that was promised; any other may have the block, since the next promise looks for another.
#[cold]
#[inline(never)]
pub(super) fn use_block(layout: Layout) -> *mut u8 {
    let fits = layout.size() <= LIMIT && layout.align() <= ALIGNMENT_LIMIT;
    let Some(cpu) = cpu::try_this().filter(|_| fits) else { return ptr::null_mut() };
    EMERGENCY_RESERVE.of(&cpu).give_back(Some(layout)).map_or(ptr::null_mut(), NonNull::as_ptr)
}
