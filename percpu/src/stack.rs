//! Stacks as this crate sees them: a range of memory, and how much of it was ever used.

/// Bytes of the interrupt stack.
pub const INTERRUPT_STACK_BYTES: u64 = 256 * 1024;

/// What unused stack words hold.
const UNUSED: u64 = 0x5AFE_57AC_5AFE_57AC;

/// A range of mapped memory that serves as a stack. The page below `base` should be unmapped.
///
/// ```
/// use percpu::Stack;
///
/// let memory = Box::leak(vec![0_u128; 256].into_boxed_slice());
/// let (base, top) = (memory.as_ptr_range().start as u64, memory.as_ptr_range().end as u64);
/// // SAFETY: memory that is never freed, used for nothing else.
/// let stack = unsafe { Stack::new(base, top) };
/// // SAFETY: nothing uses it.
/// unsafe { stack.fill() };
/// assert_eq!((stack.bytes(), stack.deepest()), (4096, 0));
/// assert!(stack.holds(stack.top()) && !stack.holds(stack.base() - 1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack {
    base: u64,
    top: u64,
}

impl Stack {
    /// No stack.
    pub(crate) const NONE: Self = Self { base: 0, top: 0 };

    /// Takes `base..top` as a stack.
    ///
    /// # Panics
    /// If the range is empty or an end is not a multiple of 16.
    ///
    /// # Safety
    /// The range must be mapped, writable, in every address space, used for nothing else, and never unmapped.
    #[must_use]
    pub const unsafe fn new(base: u64, top: u64) -> Self {
        assert!(base < top, "a stack needs room");
        assert!(base.is_multiple_of(16) && top.is_multiple_of(16), "a stack's ends are multiples of 16");
        Self { base, top }
    }

    /// The lowest address.
    #[must_use]
    #[inline]
    pub const fn base(&self) -> u64 {
        self.base
    }

    /// One past the highest address.
    #[must_use]
    #[inline]
    pub const fn top(&self) -> u64 {
        self.top
    }

    /// The size in bytes.
    #[must_use]
    #[inline]
    pub const fn bytes(&self) -> u64 {
        self.top - self.base
    }

    /// Whether the address lies in the stack; the top counts, since a stack pointer rests there.
    #[must_use]
    #[inline]
    pub const fn holds(&self, address: u64) -> bool {
        self.base <= address && address <= self.top
    }

    /// Fills the stack with a pattern, so that [`Self::deepest`] can tell how far it was used.
    ///
    /// # Safety
    /// Nothing may be using the stack.
    pub unsafe fn fill(&self) {
        let mut word = self.base as *mut u64;
        while (word as u64) < self.top {
            // SAFETY: the word lies in the stack, which is mapped, writable and (by the contract) not in use.
            unsafe { word.write(UNUSED) };
            // SAFETY: stays within one past the end of the stack.
            word = unsafe { word.add(1) };
        }
    }

    /// The most bytes that were ever in use since [`Self::fill`]: a word that was overwritten by the very pattern
    /// counts as unused. May be asked by any CPU at any time; the answer is a moment's.
    #[must_use]
    pub fn deepest(&self) -> u64 {
        let mut word = self.base as *const u64;
        // SAFETY: reads stay below the top, in mapped memory. Volatile: the owner may be writing.
        while (word as u64) < self.top && unsafe { word.read_volatile() } == UNUSED {
            // SAFETY: stays within one past the end of the stack.
            word = unsafe { word.add(1) };
        }
        self.top - word as u64
    }
}
