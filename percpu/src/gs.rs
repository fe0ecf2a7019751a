//! Reaching the block of the CPU that runs.

use core::arch::asm;

use crate::block::{ProcessorBlock, offsets};

/// The block of the calling CPU, asked anew at each call.
///
/// For every kernel: what code asks after it has blocked, been preempted or moved is about the CPU on which it then runs. The
/// reference itself stays good on any CPU; that it is *this* CPU's is so until the code can next move.
///
/// # Example
///
/// In a kernel whose threads may move at `switch`:
///
/// ```no_run
/// # use core::sync::atomic::{AtomicU64, Ordering};
/// # fn switch() {}
/// struct MyCpu {
///     switches: AtomicU64,
/// }
///
/// fn count_and_switch() {
///     // SAFETY: kernel code, on a CPU whose block is a `ProcessorBlock<MyCpu>`.
///     let before = unsafe { percpu::current::<MyCpu>() };
///     before.kernel().switches.fetch_add(1, Ordering::Relaxed);
///     switch();
///     // SAFETY: as it was before; perhaps on another CPU.
///     let after = unsafe { percpu::current::<MyCpu>() };
///     println!("left CPU {}, came back on CPU {}", before.index(), after.index());
/// }
/// ```
///
/// # Safety
/// The CPU must run kernel code with the kernel's GS base, after [`ProcessorBlock::init`] with the same `K`.
#[must_use]
#[inline(always)]
pub unsafe fn current<K>() -> &'static ProcessorBlock<K> {
    let block: *const ProcessorBlock<K>;
    // SAFETY: by the contract GS leads to a header, whose self pointer is at this offset. Not `pure`, and not `nomem`: each
    // call reads the word, behind whatever stands before it in the program, as GS may lead elsewhere by then.
    unsafe {
        asm!("mov {}, gs:[{offset}]", out(reg) block, offset = const offsets::SELF_POINTER,
             options(nostack, preserves_flags, readonly));
    }
    // SAFETY: `init` made GS lead to a 'static block of this type.
    unsafe { &*block }
}

/// The same for kernels that run to completion: the compiler may ask once and keep the answer, over calls and writes to memory,
/// which saves an instruction at each further use.
///
/// # Safety
/// As for [`current`]; and no code that is compiled with this kernel goes on, on one stack, on another CPU than it began on: the
/// kernel never blocks with state on its stack, and is never preempted and continued elsewhere. A function that calls
/// this, directly or by what is inlined, and a context switch of such a kind in between, would take another CPU's block for its
/// own for ever.
#[must_use]
#[inline(always)]
pub unsafe fn current_stable<K>() -> &'static ProcessorBlock<K> {
    let block: *const ProcessorBlock<K>;
    // SAFETY: by the contract GS leads to a header, whose self pointer is at this offset, and to the same one wherever the
    // compiler may move this: hence `pure` and `nomem`.
    unsafe {
        asm!("mov {}, gs:[{offset}]", out(reg) block, offset = const offsets::SELF_POINTER,
             options(nostack, preserves_flags, nomem, pure));
    }
    // SAFETY: `init` made GS lead to a 'static block of this type.
    unsafe { &*block }
}
