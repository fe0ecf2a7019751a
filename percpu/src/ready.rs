//! The proof that a CPU may take interrupts.

use core::marker::PhantomData;

/// This CPU has its GDT, IDT, TSS and GS base. Only [`crate::ProcessorBlock::init`] makes one, and it stays on the CPU
/// that made it.
///
/// A function of the kernel that lets interrupts in for the first time takes one by value, and so cannot be called too early:
///
/// ```
/// fn run_threads(ready: percpu::TrapsReady) -> ! {
///     ready.enable_interrupts();
///     loop {
///         x86_64::instructions::hlt();
///     }
/// }
/// ```
///
/// It cannot keep code from `sti` itself, nor from what the `x86_64` crate offers as safe (`interrupts::enable`,
/// `without_interrupts`): a kernel that wants the proof to hold does not use those before.
///
/// ```compile_fail
/// // There is no way to come by a `TrapsReady` but `init`.
/// let ready = percpu::TrapsReady { not_send: core::marker::PhantomData };
/// ready.enable_interrupts();
/// ```
///
/// Nor can another CPU's proof be used:
///
/// ```compile_fail
/// fn elsewhere(_: impl Send) {}
/// fn hand_over(ready: percpu::TrapsReady) {
///     elsewhere(ready);
/// }
/// ```
#[derive(Debug)]
pub struct TrapsReady {
    not_send: PhantomData<*const ()>,
}

impl TrapsReady {
    /// # Safety
    /// The calling CPU must be able to take any trap.
    pub(crate) const unsafe fn new() -> Self {
        Self { not_send: PhantomData }
    }

    /// Lets interrupts in.
    pub fn enable_interrupts(&self) {
        x86_64::instructions::interrupts::enable();
    }

    /// Keeps interrupts out.
    pub fn disable_interrupts(&self) {
        x86_64::instructions::interrupts::disable();
    }
}
