//! Non-maskable interrupts: how a CPU is reached that does not listen.
//!
//! The handler runs at any instant, on its own stack, so it takes no lock, allocates nothing and touches nothing that its CPU
//! keeps for itself.

use super::interrupted_stack::runs_on_users_stack;
use crate::arch::{Frame, TrapFrame as _};
use crate::cpu::{self, Cpu, NMI, NMI_DUMP, NMI_STOP};
use crate::lockdown;

/// Handles an NMI on the CPU of `block`, whose NMI stack holds `frame`.
///
/// An exception inside this handler would let the next NMI in at its `iretq`. That one lands on the other stack, finds that
/// it is nested and does nothing that could let a third one in. It is nested if the handler is active, or if what it
/// interrupted runs on an NMI stack: between the end of `active` and the `iretq`.
pub fn handle(block: Cpu, frame: &Frame) {
    let state = NMI.of(block);
    let on_nmi_stack = block.on_nmi_stack(frame.stack_pointer()) && !runs_on_users_stack(frame);
    let nested = on_nmi_stack || state.is_active();
    if nested {
        serve(block, frame);
        return;
    }
    state.set_active(true);
    // SAFETY: this is the owning CPU; this handler is the outermost, and nothing before this line can fault.
    unsafe { block.alternate_nmi_stack(core::ptr::from_ref(frame) as u64) };
    block.enter_ist();
    serve(block, frame);
    block.leave_ist();
    state.set_active(false);
}

/// Does what was asked of this CPU. Requests that were left while another was served come with an NMI of their own.
fn serve(block: Cpu, frame: &Frame) {
    let requests = NMI.of(block).take_requests();
    if requests == 0 {
        NMI.of(block).count_unexpected();
    }
    if requests & NMI_STOP != 0 {
        lockdown::stopped_by_nmi(&cpu::this(), frame);
    }
    if requests & NMI_DUMP != 0 {
        lockdown::answer_by_nmi(&cpu::this(), frame);
    }
}
