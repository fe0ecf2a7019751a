//! The message buffers of a program's threads: pages at fixed addresses that the program cannot unmap.

use gatehouse_abi::UTCB_BASE;
use gatehouse_core::memory::Rights;
use gatehouse_core::memory::layout::PAGE_SIZE;
use x86_64::VirtAddr;

use super::Program;
use crate::memory::fallible;
use crate::memory::{Frame, direct_map};
use crate::thread::Utcb;

/// A buffer for one thread.
#[derive(Clone, Copy, Debug)]
pub struct UtcbSlot {
    /// Its page, counted from [`UTCB_BASE`].
    pub index: u64,
    /// The buffer as the kernel reaches it.
    pub utcb: Utcb,
}

impl UtcbSlot {
    /// Where the program finds it.
    #[must_use]
    pub const fn address(&self) -> u64 {
        UTCB_BASE + self.index * PAGE_SIZE
    }
}

impl Program {
    /// A zeroed buffer for a new thread: one that an ended thread has left, or a fresh page. `None` if memory ran out, or
    /// the program is gone.
    #[must_use]
    pub fn take_utcb(&self) -> Option<UtcbSlot> {
        let left = self.life().left_utcbs.pop();
        if let Some(slot) = left {
            slot.utcb.clear();
            return Some(slot);
        }
        let mut life = self.life();
        let index = life.utcbs;
        // Room to take it back is made now, so that a thread can always end.
        let more = index as usize + 1 - life.left_utcbs.len();
        fallible::reserve(&mut life.left_utcbs, more).ok()?;
        let frame = Frame::allocate_zeroed().ok()?;
        let page = direct_map::pointer(frame.address().as_u64());
        let address = VirtAddr::new(UTCB_BASE + index * PAGE_SIZE);
        self.space().as_mut()?.map_beyond_quota(address, frame, Rights::ReadWrite).ok()?;
        life.utcbs += 1;
        // SAFETY: a page of RAM that stays mapped until the program's memory goes, after its last thread.
        Some(UtcbSlot { index, utcb: unsafe { Utcb::new(page) } })
    }

    /// Takes a buffer back from a thread that is gone.
    pub fn give_back_utcb(&self, slot: UtcbSlot) {
        #[expect(clippy::disallowed_methods, reason = "there has been room for it since it was made")]
        self.life().left_utcbs.push(slot);
    }
}
