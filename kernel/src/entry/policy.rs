//! What comes of an exception, by what kind of exception it is and whose: for the architecture's handlers to choose from.
//!
//! From the kernel all of them are lockdown, unless a thread has overflowed the kernel's stack. A page that is swapped out is no
//! exception to that: the kernel reaches programs' memory by `user_copy`, which takes no page fault and brings it back itself.

use gatehouse_core::memory::Rights;

use super::begin_again::begin_again;
use super::{breakpoint, fault};
use crate::arch::{Frame, Origin, TrapFrame, TrapInfo, page_fault_access_address};
use crate::cpu::ThisCpu;
use crate::sched::Next;
use crate::{containment, ipc, lockdown, swap};

/// Shuts the program down, if its handler does not want the fault.
pub fn exception(cpu: &ThisCpu, info: &TrapInfo, frame: &Frame) -> Next {
    match frame.origin() {
        Origin::User => ipc::deliver_fault(cpu, info, frame).unwrap_or_else(|| shut_down(cpu, info, frame)),
        Origin::Kernel => kernel_fault(cpu, info, frame),
    }
}

/// Swaps the page in if it is one that is swapped out, and `allows` the access by its rights; else as [`exception`].
pub fn page_fault(cpu: &ThisCpu, info: &TrapInfo, frame: &Frame, allows: fn(Rights) -> bool) -> Next {
    let next = match frame.origin() {
        Origin::User => swap::fault(cpu, page_fault_access_address(info), allows),
        Origin::Kernel => None,
    };
    next.unwrap_or_else(|| exception(cpu, info, frame))
}

/// As [`exception`], once the instruction could be looked into: if it is swapped out, it is swapped in and executed again.
pub fn decoded_exception(cpu: &ThisCpu, info: &TrapInfo, frame: &Frame) -> Next {
    let next = match frame.origin() {
        Origin::User => swap::instruction_swapped_out(cpu),
        Origin::Kernel => None,
    };
    next.unwrap_or_else(|| exception(cpu, info, frame))
}

/// Pauses the thread, if its handler does not want the breakpoint.
pub fn debug_exception(cpu: &ThisCpu, info: &TrapInfo, frame: &Frame) -> Next {
    match frame.origin() {
        Origin::User => ipc::deliver_fault(cpu, info, frame).unwrap_or_else(|| breakpoint::pause(cpu, info, frame)),
        Origin::Kernel => kernel_fault(cpu, info, frame),
    }
}

/// Shuts down the program of the running thread, whose frame this is, without asking anybody.
pub fn shut_down(cpu: &ThisCpu, info: &TrapInfo, frame: &Frame) -> Next {
    fault::user_fault(cpu, info, frame)
}

fn kernel_fault(cpu: &ThisCpu, info: &TrapInfo, frame: &Frame) -> ! {
    let refusal = containment::contain_overflow(cpu, info, frame, begin_again);
    lockdown::enter_uncontained(cpu, info, frame, refusal)
}
