//! Non-maskable interrupts: how a CPU is reached that does not listen.
//!
//! The handler runs at any instant, on its own stack, so it takes no lock, allocates nothing and touches nothing that its CPU
//! keeps for itself.

use core::sync::atomic::{AtomicBool, Ordering};

use smp::icr::{Command, Destination};

use crate::arch::{Frame, stop_cpu};
use crate::cpu::{self, Block, NMI_STOP};
use crate::trap::{Origin, TrapFrame as _};

/// One CPU's NMI state.
#[derive(Debug, Default)]
pub struct NmiState {
    /// A handler is running here.
    active: AtomicBool,
}

/// Handles an NMI on the CPU of `block`, whose NMI stack holds `frame`.
///
/// An exception inside this handler would let the next NMI in at its `iretq`. That one lands on the other stack, finds that
/// it is nested and does nothing that could let a third one in. It is nested if the handler is active, or if what it
/// interrupted runs on an NMI stack: between the end of `active` and the `iretq`.
pub fn handle(block: &Block, frame: &Frame) {
    let state = block.kernel().nmi();
    let on_nmi_stack = frame.origin() == Origin::Kernel && block.on_nmi_stack(frame.stack_pointer());
    let nested = on_nmi_stack || state.active.load(Ordering::Relaxed);
    if nested {
        serve(block);
        return;
    }
    state.active.store(true, Ordering::Relaxed);
    // SAFETY: this is the owning CPU; this handler is the outermost, and nothing before this line can fault.
    unsafe { block.alternate_nmi_stack(core::ptr::from_ref(frame) as u64) };
    block.enter_ist();
    serve(block);
    block.leave_ist();
    state.active.store(false, Ordering::Relaxed);
}

/// Does what was asked of this CPU. Requests that were left while another was served come with an NMI of their own.
fn serve(block: &Block) {
    if block.kernel().remote().take_nmi_requests() & NMI_STOP != 0 {
        stop_cpu();
    }
}

/// Stops every CPU but the calling one, whatever it is doing. Before the CPUs are known there is nobody to stop.
pub fn stop_other_cpus() {
    if cpu::all().is_empty() {
        return;
    }
    let this = cpu::this();
    for block in cpu::all().iter().filter(|block| block.index() != this.index()) {
        let remote = block.kernel().remote();
        if remote.is_online() {
            remote.request_by_nmi(NMI_STOP);
            // A CPU that cannot be told goes on; the report is worth more than the attempt to report that.
            let _ = this.kernel().apic().send(Command::Nmi, Destination::Physical(block.apic_id()));
        }
    }
}
