//! The FS and GS bases, seen without the instructions that read them.

/// Kernel-looking values that ring 3 may give its own base registers.
pub const LOOKS_LIKE_KERNEL: [u64; 3] = [0xffff_8000_0000_0000, 0xffff_ffff_8020_0000, 0xffff_ffff_ffff_ffff];

/// A segment register with a base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseRegister {
    /// FS.
    Fs,
    /// GS.
    Gs,
}

impl BaseRegister {
    /// Whether the base is the one given, for any canonical base: reads a word of this program at an offset that only that
    /// base makes right. With another base the word is another one, or the access faults and the program is shut down.
    #[must_use]
    pub fn is(self, base: u64) -> bool {
        let word = base ^ 0x5eed_5eed_5eed_5eed;
        // The sum wraps around, as that of the processor does: SDM volume 1, "Segment Registers in 64-Bit Mode".
        let offset = (&raw const word as u64).wrapping_sub(base);
        let seen: u64;
        // SAFETY: with the base as given this reads `word`; with any other it is a read that changes nothing.
        unsafe {
            match self {
                Self::Fs => {
                    core::arch::asm!("mov {}, fs:[{}]", out(reg) seen, in(reg) offset, options(nostack, readonly))
                }
                Self::Gs => {
                    core::arch::asm!("mov {}, gs:[{}]", out(reg) seen, in(reg) offset, options(nostack, readonly))
                }
            }
        }
        seen == word
    }
}
