//! Traps that the kernel raises in itself, for tests of what becomes of them.

/// What [`crate::SystemCall::TestHook`] does, by number. Nothing of it is done unless the kernel's command line has the
/// word [`TestHook::WORD`]: such a machine is one that any program can bring down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum TestHook {
    /// The kernel loads a word from the address that the argument is.
    Load = 0,
    /// The kernel stores a word there.
    Store = 1,
    /// The kernel calls that address.
    Execute = 2,
    /// The kernel executes an undefined instruction.
    UnknownInstruction = 3,
    /// The kernel executes a breakpoint instruction.
    Breakpoint = 4,
    /// The kernel divides by zero.
    DivideError = 5,
    /// The kernel executes one instruction with the trap flag set.
    SingleStep = 6,
    /// The kernel's entry for the exception, or the spurious interrupt (255), in bits 0 to 7 of the argument is entered as the processor would enter it for
    /// an exception in the kernel, with the error code in bits 32 to 63 where the exception has one.
    ExceptionInKernel = 7,
    /// The same, as for an exception of the calling thread at the instruction behind the system call.
    ExceptionInProgram = 8,
    /// The calling thread's saved context becomes one that the processor refuses to return to: its code segment gets the
    /// selector that the argument is.
    RefusedReturn = 9,
    /// The CPU sends the interrupt whose vector is bits 0 to 31 of the argument to the CPU whose index is bits 32 to 63.
    Interrupt = 10,
    /// The same with a non-maskable interrupt; bits 0 to 31 are not looked at.
    NonMaskableInterrupt = 11,
    /// The CPU stays in the kernel for so many nanoseconds, at most a minute, and takes no interrupt.
    Hold = 12,
    /// The kernel panics.
    Panic = 13,
    /// The interrupt stack overflows: with the argument 1 while a lock is held, with 2 while the CPU's decoder is in use.
    OverflowInterruptStack = 14,
    /// The handler that next runs for the vector that the argument is overflows its stack: 1 debug, 2 NMI, 8 double fault,
    /// 18 machine check.
    OverflowNextHandler = 15,
    /// Prints what the CPU whose index the argument is was doing; it tells by NMI, and goes on.
    DumpCpu = 16,
    /// The kernel executes an `int` instruction with the vector of spurious interrupts, whose handler counts it and goes back.
    SpuriousInterrupt = 17,
    /// On this CPU, of the allocations that can be refused the one with this number is, counted from 1 for the next; 0 for none.
    /// Answers what was left of the number before: 0 if that one was refused.
    RefuseAllocation = 18,
    /// The kernel's heap becomes full, and grows no more; with the argument 0 it has all again.
    FillHeap = 19,
    /// Answers 32 bits of a register of the CPU that the caller runs on: the argument is its number (bits 0 to 31), its
    /// kind (bits 32 to 39: 0 model-specific, 1 control, 2 debug, 3 extended control, 4 selectors of tables), and whether the
    /// upper half is wanted (bit 63).
    ShowRegister = 20,
}

impl TestHook {
    /// The word of the kernel's command line that allows the call.
    pub const WORD: &'static str = "test-hooks";

    /// Every hook, in the order of the numbers.
    pub const ALL: [Self; 21] = [
        Self::Load,
        Self::Store,
        Self::Execute,
        Self::UnknownInstruction,
        Self::Breakpoint,
        Self::DivideError,
        Self::SingleStep,
        Self::ExceptionInKernel,
        Self::ExceptionInProgram,
        Self::RefusedReturn,
        Self::Interrupt,
        Self::NonMaskableInterrupt,
        Self::Hold,
        Self::Panic,
        Self::OverflowInterruptStack,
        Self::OverflowNextHandler,
        Self::DumpCpu,
        Self::SpuriousInterrupt,
        Self::RefuseAllocation,
        Self::FillHeap,
        Self::ShowRegister,
    ];

    /// The hook with this number.
    #[must_use]
    pub const fn from_number(number: u64) -> Option<Self> {
        if number < Self::ALL.len() as u64 { Some(Self::ALL[number as usize]) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::TestHook;

    #[test]
    fn numbers_are_dense() {
        for (number, hook) in TestHook::ALL.into_iter().enumerate() {
            assert_eq!(hook as usize, number);
            assert_eq!(TestHook::from_number(number as u64), Some(hook));
        }
        assert_eq!(TestHook::from_number(TestHook::ALL.len() as u64), None);
    }
}
