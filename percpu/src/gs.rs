//! Reaching what belongs to the CPU that runs.

use core::arch::asm;

use crate::area::Area;
use crate::block::offsets;

impl Area {
    /// The area of the calling CPU, asked anew at each call.
    ///
    /// For every kernel: what code asks after it has blocked, been preempted or moved is about the CPU on which it then runs. The
    /// area itself stays good on any CPU; that it is *this* CPU's is so until the code can next move.
    ///
    /// # Example
    ///
    /// In a kernel whose threads may move at `switch`:
    ///
    /// ```no_run
    /// # fn switch() {}
    /// fn where_it_went() {
    ///     // SAFETY: kernel code, on a CPU that has its block in use.
    ///     let before = unsafe { percpu::Area::current() };
    ///     switch();
    ///     // SAFETY: as it was before; perhaps on another CPU.
    ///     let after = unsafe { percpu::Area::current() };
    ///     println!("left CPU {}, came back on CPU {}", before.index(), after.index());
    /// }
    /// ```
    ///
    /// # Safety
    /// The CPU must run kernel code with the kernel's GS base, after [`ProcessorBlock::init`](crate::ProcessorBlock::init).
    #[must_use]
    #[inline(always)]
    pub unsafe fn current() -> Self {
        let anchor: u64;
        // SAFETY: by the contract GS leads to a block, whose anchor is at this offset. Not `pure`, and not `nomem`: each
        // call reads the word, behind whatever stands before it in the program, as GS may lead elsewhere by then.
        unsafe {
            asm!("mov {}, gs:[{offset}]", out(reg) anchor, offset = const offsets::ANCHOR,
                 options(nostack, preserves_flags, readonly));
            Self::from_anchor(anchor)
        }
    }

    /// The same for kernels that run to completion: the compiler may ask once and keep the answer, over calls and writes to memory,
    /// which saves an instruction at each further use.
    ///
    /// # Safety
    /// As for [`Self::current`]; and no code that is compiled with this kernel goes on, on one stack, on another CPU than it began on:
    /// the kernel never blocks with state on its stack, and is never preempted and continued elsewhere. A function that calls
    /// this, directly or by what is inlined, and a context switch of such a kind in between, would take another CPU's area for its
    /// own for ever.
    #[must_use]
    #[inline(always)]
    pub unsafe fn current_stable() -> Self {
        let anchor: u64;
        // SAFETY: by the contract GS leads to a block, whose anchor is at this offset, and to the same one wherever the
        // compiler may move this: hence `pure` and `nomem`.
        unsafe {
            asm!("mov {}, gs:[{offset}]", out(reg) anchor, offset = const offsets::ANCHOR,
                 options(nostack, preserves_flags, nomem, pure));
            Self::from_anchor(anchor)
        }
    }
}
