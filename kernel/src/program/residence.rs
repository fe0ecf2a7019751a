//! What swapping keeps about a program.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gatehouse_abi::UTCB_BASE;
use gatehouse_core::memory::layout::UTCB_END;
use x86_64::VirtAddr;

/// What swapping keeps about a program.
#[derive(Debug, Default)]
pub struct Residence {
    /// A page of it is swapped out, or has been.
    swapped_out: AtomicBool,
    /// Where the clock goes on.
    hand: AtomicU64,
}

impl Residence {
    /// Whether a page of the program may be swapped out. Once it is so it stays so: a thread that faults on a page which another
    /// thread has just swapped in must not be taken for one that faults on nothing.
    #[must_use]
    #[inline(always)]
    pub fn may_be_swapped_out(&self) -> bool {
        self.swapped_out.load(Ordering::Relaxed)
    }

    /// A page is about to go. With the address space locked: whoever finds the page away sees this, too.
    pub fn note_swapped_out(&self) {
        self.swapped_out.store(true, Ordering::Relaxed);
    }

    /// Where the clock goes on.
    #[must_use]
    pub fn hand(&self) -> u64 {
        self.hand.load(Ordering::Relaxed)
    }

    /// Sets where the clock goes on.
    pub fn set_hand(&self, address: u64) {
        self.hand.store(address, Ordering::Relaxed);
    }
}

/// Whether the page is one that stays: the kernel reaches message buffers by their frames.
#[must_use]
pub fn is_pinned(page: VirtAddr) -> bool {
    (UTCB_BASE..UTCB_END).contains(&page.as_u64())
}
