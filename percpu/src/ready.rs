//! The proof that a CPU may take interrupts.

use core::marker::PhantomData;

/// This CPU has its GDT, IDT, TSS and GS base. Only [`crate::ProcessorBlock::init`] makes one, and it stays on the CPU
/// that made it.
///
/// Interrupts cannot be enabled without it:
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
