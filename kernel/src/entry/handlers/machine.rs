//! What the machine tells whatever runs: NMI, #DF, #MC. They come by the IST door.

use crate::arch::{Frame as TrapFrame, Origin, TrapFrame as _, TrapInfo, vectors};
use crate::containment;
use crate::cpu::{Block, ThisCpu};
use crate::entry::begin_again::begin_again;
use crate::entry::machine_check::end_for_program;
use crate::entry::{nmi, policy};
use crate::lockdown;
use crate::sched::Next;

/// NMI: serves what other CPUs ask for.
#[inline(always)]
pub(in crate::entry) fn non_maskable_interrupt_handler(block: &Block, frame: &TrapFrame) {
    block.entries().count(usize::from(vectors::NMI));
    nmi::handle(block, frame);
}

/// #DF: the stack of the kernel is gone. If that was one thread's doing, its program ends and the CPU begins anew; else
/// lockdown.
pub(in crate::entry) fn double_fault_handler(cpu: &ThisCpu, info: &TrapInfo, frame: &TrapFrame) -> ! {
    let refusal = containment::contain_overflow(cpu, info, frame, begin_again);
    lockdown::enter_uncontained(cpu, info, frame, refusal)
}

/// #MC, once the banks have said that the program can be ended for it, or that it is not theirs.
pub(super) fn machine_check_handler(cpu: &ThisCpu, info: &TrapInfo, frame: &mut TrapFrame) -> Next {
    // The hardware's: what the program's memory or registers hold is not known, so nobody can reply to that.
    if frame.origin() == Origin::User && frame.error_code() != 0 {
        end_for_program(cpu);
        return policy::shut_down(cpu, info, frame);
    }
    policy::exception(cpu, info, frame)
}
