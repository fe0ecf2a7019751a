//! The message buffer that a thread shares with the kernel: one page of its program, never unmapped while the thread lives.

use gatehouse_abi::{ThreadRegisters, TimerFirings};
use gatehouse_core::memory::layout::PAGE_SIZE;

/// The page, as the kernel reaches it: through the direct map, so that no access to it can fault.
#[derive(Clone, Copy, Debug)]
pub struct Utcb(*mut u64);

// SAFETY: plain memory; what a program makes of its own message buffer is its own affair, and every access is volatile.
unsafe impl Send for Utcb {}
// SAFETY: as above.
unsafe impl Sync for Utcb {}

/// Words in the page.
const WORDS: usize = (PAGE_SIZE / 8) as usize;

impl Utcb {
    /// The buffer at this address of the direct map.
    ///
    /// # Safety
    /// A whole page of RAM, mapped to the thread's program for as long as the thread lives.
    #[must_use]
    pub const unsafe fn new(page: *mut u8) -> Self {
        Self(page.cast())
    }

    /// Reads a word.
    ///
    /// # Panics
    /// If the page has no such word.
    #[must_use]
    #[inline(always)]
    pub fn get(self, word: usize) -> u64 {
        assert!(word < WORDS);
        // SAFETY: inside the page; volatile since the program may write at any time.
        unsafe { self.0.add(word).read_volatile() }
    }

    /// Writes a word.
    ///
    /// # Panics
    /// If the page has no such word.
    #[inline(always)]
    pub fn set(self, word: usize, value: u64) {
        assert!(word < WORDS);
        // SAFETY: inside the page; volatile since the program may read at any time.
        unsafe { self.0.add(word).write_volatile(value) };
    }

    /// Fills it with zeros.
    pub fn clear(self) {
        // As for frames, one instruction takes an emulated processor the least time.
        // SAFETY: the page is RAM in the direct map, as `new` was promised, and the program's own affair; the direction flag is
        // clear in Rust code. 512 stores of 8 bytes fill exactly one page.
        unsafe {
            core::arch::asm!(
                "rep stosq",
                inout("rcx") WORDS => _,
                inout("rdi") self.0 => _,
                in("rax") 0_u64,
                options(nostack, preserves_flags),
            );
        }
    }

    /// Reads registers at offset 0.
    #[must_use]
    pub fn registers(self) -> ThreadRegisters {
        // SAFETY: inside the page, and aligned; any bits are registers.
        unsafe { self.0.cast::<ThreadRegisters>().read_volatile() }
    }

    /// Writes registers at offset 0.
    pub fn set_registers(self, registers: &ThreadRegisters) {
        // SAFETY: inside the page, and aligned.
        unsafe { self.0.cast::<ThreadRegisters>().write_volatile(*registers) };
    }

    /// Writes what a timer has done at offset 0.
    pub fn set_timer_firings(self, firings: &TimerFirings) {
        // SAFETY: inside the page, and aligned.
        unsafe { self.0.cast::<TimerFirings>().write_volatile(*firings) };
    }
}
