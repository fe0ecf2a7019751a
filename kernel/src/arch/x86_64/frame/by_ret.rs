//! Frames that are returned through by `ret`, which lets no NMI in.

use super::TrapFrame;

/// RFLAGS.TF.
const TRAP_FLAG: u64 = 1 << 8;
/// Words that `pop rax`, `popfq`, `ret` take.
const WORDS: usize = 3;

impl TrapFrame {
    /// Makes this one to be returned through by `pop rax`, `popfq`, `ret` from its RSP: puts the three words below the RSP that it
    /// holds, and lowers that by as much.
    ///
    /// TF is dropped: the step would come behind the `ret`, where the interrupted instruction has not been executed, and again
    /// after each return. The kernel does not step itself.
    ///
    /// # Safety
    /// The frame is one of ring 0, and the three words are mapped, writable and not in use.
    pub(crate) unsafe fn return_by_ret(&mut self) {
        self.stack_pointer -= size_of::<[u64; WORDS]>() as u64;
        let words = [self.general.rax, self.flags & !TRAP_FLAG, self.instruction_pointer];
        // SAFETY: by the contract; the kernel keeps its RSP a multiple of 8, but the processor does not ask for that.
        unsafe { (self.stack_pointer as *mut [u64; WORDS]).write_unaligned(words) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::TrapFrame as _;

    #[test]
    fn the_words_are_in_the_order_in_which_they_are_popped() {
        let mut stack = [7_u64; 8];
        let mut frame = TrapFrame::recorded(1, 0, 8, 0xffff_ffff_8020_0000);
        frame.general.rax = 5;
        frame.flags = 0x40146;
        frame.set_stack_pointer_unchecked(&raw mut stack[6] as u64);
        // SAFETY: the words are those of the array.
        unsafe { frame.return_by_ret() };
        assert_eq!(stack, [7, 7, 7, 5, 0x40046, 0xffff_ffff_8020_0000, 7, 7]);
        assert_eq!(frame.stack_pointer(), &raw const stack[3] as u64);
    }
}
