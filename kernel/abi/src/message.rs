//! Messages between threads, and how faults look as messages.

use core::mem::offset_of;

/// What a message is: its label, how many words it has, and how it is sent. One register.
///
/// ```text
///   bits  0..=7   words, 0..=64: the first four travel in registers, the rest in the UTCB at the same offsets
///   bit   8       non-blocking: answer at once if nobody waits on the other side
///   bits  9..=10  capabilities, 0..=3: their slots are in the UTCB, from word UTCB_CAPABILITIES on
///   bits 16..=31  label; 0xFFFF is a fault
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct MessageTag(u64);

impl MessageTag {
    /// The label of a fault message.
    pub const FAULT: u16 = 0xffff;
    /// The most words of a message.
    pub const MAX_WORDS: u64 = 64;
    /// Words that travel in registers.
    pub const REGISTER_WORDS: u64 = 4;
    /// Where the label begins.
    pub const LABEL_SHIFT: u32 = 16;
    /// The most capabilities of a message.
    pub const MAX_CAPABILITIES: u64 = 3;
    const NON_BLOCKING: u64 = 1 << 8;
    const CAPABILITIES_SHIFT: u32 = 9;
    /// Bits that mean something.
    const MEANING: u64 =
        0xffff << Self::LABEL_SHIFT | Self::MAX_CAPABILITIES << Self::CAPABILITIES_SHIFT | Self::NON_BLOCKING | 0xff;

    /// A tag. Words beyond [`Self::MAX_WORDS`] are refused by the kernel.
    #[must_use]
    pub const fn new(label: u16, words: u64) -> Self {
        Self((label as u64) << Self::LABEL_SHIFT | (words & 0xff))
    }

    /// The same message, sent only if somebody waits for it.
    #[must_use]
    pub const fn non_blocking(self) -> Self {
        Self(self.0 | Self::NON_BLOCKING)
    }

    /// The same message with so many capabilities, at most [`Self::MAX_CAPABILITIES`].
    #[must_use]
    pub const fn with_capabilities(self, count: u64) -> Self {
        let others = self.0 & !(Self::MAX_CAPABILITIES << Self::CAPABILITIES_SHIFT);
        Self(others | (count & Self::MAX_CAPABILITIES) << Self::CAPABILITIES_SHIFT)
    }

    /// How many capabilities.
    #[must_use]
    pub const fn capabilities(self) -> u64 {
        self.0 >> Self::CAPABILITIES_SHIFT & Self::MAX_CAPABILITIES
    }

    /// Whether the message is more than registers hold.
    #[must_use]
    pub const fn needs_buffer(self) -> bool {
        self.0 & (Self::MAX_CAPABILITIES << Self::CAPABILITIES_SHIFT | 0xff) > Self::REGISTER_WORDS
    }

    /// The register.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// From a register; any value is allowed. Bits that mean nothing are dropped, so that no tag can be taken for an error.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits & Self::MEANING)
    }

    /// From the lower half of a register, if the message's words all travel in registers, too, and it is sent in no special
    /// way.
    #[must_use]
    #[inline]
    pub const fn in_registers(bits: u32) -> Option<Self> {
        if bits as u16 as u64 <= Self::REGISTER_WORDS { Some(Self(bits as u64)) } else { None }
    }

    /// Whether the label is that of a fault.
    #[must_use]
    #[inline]
    pub const fn is_fault(self) -> bool {
        self.label() == Self::FAULT
    }

    /// The label.
    #[must_use]
    pub const fn label(self) -> u16 {
        (self.0 >> Self::LABEL_SHIFT) as u16
    }

    /// How many words.
    #[must_use]
    pub const fn words(self) -> u64 {
        self.0 & 0xff
    }

    /// Whether the sender does not want to wait.
    #[must_use]
    pub const fn is_non_blocking(self) -> bool {
        self.0 & Self::NON_BLOCKING != 0
    }
}

/// Where a program finds its message buffers (UTCBs), a page for each thread: the first thread's is the first.
pub const UTCB_BASE: u64 = 0x7f00_0000_0000;

/// The word of the message buffer from which on the slots of capabilities are: those to be sent, and, after a message was
/// received, those where they arrived.
pub const UTCB_CAPABILITIES: usize = 64;
/// The word of the message buffer from which on a receiver names the slots that it is willing to receive capabilities in:
/// an empty one, [`crate::SLOT_ANY`] for any that is free, or [`crate::SLOT_NONE`] for none.
pub const UTCB_RECEIVE_SLOTS: usize = 68;

/// Reply to a fault: the thread goes on where it was.
pub const REPLY_RESUME: u16 = 0;
/// Reply to a fault: the thread goes on with the registers in the handler's UTCB, a [`ThreadRegisters`] at offset 0.
pub const REPLY_REGISTERS: u16 = 1;
/// Reply to a fault: the thread's program is shut down.
pub const REPLY_KILL: u16 = 2;

/// A fault message: for the handler, its first four words in registers and the rest in its UTCB, at these offsets. The first
/// three are also in the faulting thread's own UTCB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct FaultMessage {
    /// Offset 0: the [`crate::TrapNumber`].
    pub cause: u64,
    /// Offset 8: the address that was accessed, or the instruction's where the trap is about none.
    pub address: u64,
    /// Offset 16: the program counter.
    pub program_counter: u64,
    /// Offset 24: the processor's error code in bits 0..=31, its vector in bits 32..=47.
    pub access: u64,
    /// Offset 32: the stack pointer.
    pub stack_pointer: u64,
    /// Offset 40: RFLAGS.
    pub flags: u64,
    /// Offset 48: the thread's number.
    pub thread: u64,
    /// Offset 56: the CPU.
    pub cpu: u64,
}

impl FaultMessage {
    /// Words of a fault message.
    pub const WORDS: u64 = (size_of::<Self>() / 8) as u64;
    /// Which word says [`Self::cause`].
    pub const CAUSE: usize = offset_of!(Self, cause) / 8;
    /// Which word says [`Self::address`].
    pub const ADDRESS: usize = offset_of!(Self, address) / 8;
    /// Which word says [`Self::program_counter`].
    pub const PROGRAM_COUNTER: usize = offset_of!(Self, program_counter) / 8;
    /// Which word says [`Self::stack_pointer`].
    pub const STACK_POINTER: usize = offset_of!(Self, stack_pointer) / 8;
    /// Which word says [`Self::flags`].
    pub const FLAGS: usize = offset_of!(Self, flags) / 8;
    /// Which word says [`Self::thread`].
    pub const THREAD: usize = offset_of!(Self, thread) / 8;
    /// Which word says [`Self::cpu`].
    pub const CPU: usize = offset_of!(Self, cpu) / 8;
}

/// A thread's registers, as debuggers and fault handlers read and write them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ThreadRegisters {
    /// R15, R14, R13, R12, RBP, RBX, R11, R10, R9, R8, RAX, RCX, RDX, RSI, RDI.
    pub general: [u64; 15],
    /// RIP; an address outside the user half becomes 0.
    pub instruction_pointer: u64,
    /// RSP; an address past the user half becomes 0.
    pub stack_pointer: u64,
    /// RFLAGS; bits that are not the program's keep their values.
    pub flags: u64,
    /// The FS base; ignored if not canonical.
    pub fs_base: u64,
    /// The GS base; ignored if not canonical.
    pub gs_base: u64,
}

#[cfg(test)]
mod tests {
    use super::{FaultMessage, MessageTag};
    use crate::Error;

    #[test]
    fn no_tag_reads_as_an_error() {
        for bits in [u64::MAX, (-256_i64) as u64, 1 << 63, 0] {
            let tag = MessageTag::from_bits(bits);
            assert_eq!(Error::from_register(tag.to_bits()), Ok(tag.to_bits()), "{bits:#x}");
        }
        let tag = MessageTag::new(0x1234, 7).non_blocking();
        assert_eq!((tag.label(), tag.words(), tag.is_non_blocking()), (0x1234, 7, true));
        assert_eq!(MessageTag::from_bits(tag.to_bits()), tag);
        for count in 0..=MessageTag::MAX_CAPABILITIES {
            let carries = tag.with_capabilities(3).with_capabilities(count);
            assert_eq!((carries.label(), carries.words(), carries.capabilities()), (0x1234, 7, count));
            assert_eq!(MessageTag::new(9, 4).non_blocking().with_capabilities(count).needs_buffer(), count > 0);
        }
        assert!(tag.is_non_blocking() && tag.needs_buffer() && !MessageTag::new(u16::MAX, 4).needs_buffer());
    }

    #[test]
    fn fault_messages_begin_with_cause_address_and_program_counter() {
        assert_eq!(core::mem::offset_of!(FaultMessage, cause), 0);
        assert_eq!(core::mem::offset_of!(FaultMessage, address), 8);
        assert_eq!(core::mem::offset_of!(FaultMessage, program_counter), 16);
        assert_eq!(FaultMessage::WORDS, 8);
    }
}
