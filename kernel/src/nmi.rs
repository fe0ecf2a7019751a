//! Non-maskable interrupts: how a CPU is reached that does not listen.
//!
//! The handler runs at any instant, on its own stack, so it takes no lock, allocates nothing and touches nothing that its CPU
//! keeps for itself.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::arch::{Frame, runs_on_users_stack};
use crate::cpu::{self, Block, NMI_DUMP, NMI_STOP};
use crate::lockdown;
use crate::trap::TrapFrame as _;

/// One CPU's NMI state.
#[derive(Debug, Default)]
pub struct NmiState {
    /// A handler is running here.
    active: AtomicBool,
    /// NMIs that found nothing to do.
    unexpected: AtomicU64,
}

impl NmiState {
    /// NMIs that found nothing to do: nobody had asked, or whoever asked was served together with another.
    #[must_use]
    pub fn unexpected(&self) -> u64 {
        self.unexpected.load(Ordering::Relaxed)
    }

    /// A handler that was running here has been abandoned.
    pub fn abandon(&self) {
        self.active.store(false, Ordering::Relaxed);
    }
}

/// Handles an NMI on the CPU of `block`, whose NMI stack holds `frame`.
///
/// An exception inside this handler would let the next NMI in at its `iretq`. That one lands on the other stack, finds that
/// it is nested and does nothing that could let a third one in. It is nested if the handler is active, or if what it
/// interrupted runs on an NMI stack: between the end of `active` and the `iretq`.
pub fn handle(block: &Block, frame: &Frame) {
    let state = block.kernel().nmi();
    let on_nmi_stack = block.on_nmi_stack(frame.stack_pointer()) && !runs_on_users_stack(frame);
    let nested = on_nmi_stack || state.active.load(Ordering::Relaxed);
    if nested {
        serve(block, frame);
        return;
    }
    state.active.store(true, Ordering::Relaxed);
    // SAFETY: this is the owning CPU; this handler is the outermost, and nothing before this line can fault.
    unsafe { block.alternate_nmi_stack(core::ptr::from_ref(frame) as u64) };
    block.enter_ist();
    serve(block, frame);
    block.leave_ist();
    state.active.store(false, Ordering::Relaxed);
}

/// Does what was asked of this CPU. Requests that were left while another was served come with an NMI of their own.
fn serve(block: &Block, frame: &Frame) {
    let requests = block.kernel().remote().take_nmi_requests();
    if requests == 0 {
        // Only this CPU counts, and a nested NMI comes between two instructions at worst: then one is not counted.
        let unexpected = &block.kernel().nmi().unexpected;
        unexpected.store(unexpected.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
    if requests & NMI_STOP != 0 {
        lockdown::stopped_by_nmi(&cpu::this(), frame);
    }
    if requests & NMI_DUMP != 0 {
        lockdown::answer_by_nmi(&cpu::this(), frame);
    }
}
