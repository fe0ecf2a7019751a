//! Stacks for the entries that may arrive at any instant.

use crate::stack::Stack;

/// Which interrupt stack table entry a vector uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum IstSlot {
    /// Non-maskable interrupt.
    Nmi = 0,
    /// Double fault.
    DoubleFault = 1,
    /// Machine check.
    MachineCheck = 2,
    /// Debug exception: `MOV SS` can delay one into the kernel's first instruction, where RSP is still the user's.
    Debug = 3,
}

impl IstSlot {
    /// The subscript in the TSS, counting from 0 as the `x86_64` crate does; the gate's own field counts from 1.
    #[must_use]
    #[inline]
    pub const fn index(self) -> u16 {
        self as u16
    }
}

/// Bytes at the top of each of these stacks that hold the pointer to the block. 16, to keep the alignment: the pointer is the
/// *lower* of the two words, right above what the processor pushes ([rule 2](crate#the-entry-contract)).
pub const IST_LINK_BYTES: u64 = 16;

/// The stacks of one CPU.
#[derive(Clone, Copy, Debug)]
pub struct IstStacks {
    /// Two for NMI: while one holds a frame that is not yet returned from, the TSS names the other, so that an NMI
    /// which an exception inside the handler lets in cannot overwrite that frame.
    pub nmi: [Stack; 2],
    /// For #DF.
    pub double_fault: Stack,
    /// For #MC.
    pub machine_check: Stack,
    /// For #DB.
    pub debug: Stack,
    /// No vector begins here. A machine check that goes back to code on none of these stacks does so from here, so that the
    /// next one, which can come as soon as the hardware is told that this one is over, finds its own stack free.
    pub machine_check_return: Stack,
}

impl IstStacks {
    /// No stacks.
    pub(crate) const NONE: Self = Self {
        nmi: [Stack::NONE; 2],
        double_fault: Stack::NONE,
        machine_check: Stack::NONE,
        debug: Stack::NONE,
        machine_check_return: Stack::NONE,
    };

    /// All of them.
    #[inline]
    pub(crate) fn all(&self) -> [Stack; 6] {
        [self.nmi[0], self.nmi[1], self.double_fault, self.machine_check, self.debug, self.machine_check_return]
    }
}

/// What the TSS holds for the stack: just below the link.
pub(crate) const fn entry(stack: &Stack) -> u64 {
    stack.top() - IST_LINK_BYTES
}

/// Writes the link to the block into the top of the stack.
///
/// # Safety
/// The stack must be mapped and not in use.
pub(crate) unsafe fn link(stack: &Stack, block: u64) {
    // SAFETY: the word lies inside the stack, by its size and the contract.
    unsafe { (entry(stack) as *mut u64).write(block) };
}
