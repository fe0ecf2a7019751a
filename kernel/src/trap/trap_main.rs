//! The one function that every trap of every kind goes through.

use gatehouse_abi::TrapNumber;

use super::{ArchTrap, Origin, TrapFrame, TrapInfo, breakpoint, fault};
use crate::arch::{Arch, Frame};
use crate::cpu::{self, ThisCpu};
use crate::sched::{self, Next};
use crate::{containment, ipc, lockdown, swap};

/// Handles a trap and answers the frame to return through: the same one, another thread's, or the idle one.
///
/// Inlined into the architecture's handlers, one for each kind of trap: each is this function with the handler filled in.
#[inline(always)]
pub fn trap_main(frame: &mut Frame, handler: impl FnOnce(&ThisCpu, &mut Frame) -> Next) -> *const Frame {
    let cpu = cpu::this();
    match handler(&cpu, frame) {
        Next::Stay => frame,
        Next::Switched => current_frame(&cpu),
        Next::Choose => sched::pick(&cpu),
    }
}

/// The frame of the thread that the CPU was switched to.
#[inline(always)]
fn current_frame(cpu: &ThisCpu) -> *const Frame {
    let Some(thread) = cpu.current() else { unreachable!("a CPU that was switched to a thread runs one") };
    thread.frame_pointer()
}

/// An idle CPU looks into its run queue after every interrupt: what was done for others may have made somebody ready
/// there, at any depth.
#[inline(always)]
pub fn look_when_idle(cpu: &ThisCpu, next: Next) -> Next {
    if cpu.current().is_none() { Next::Choose } else { next }
}

/// Whatever the interrupted instruction itself caused.
#[inline(never)]
pub fn exception(cpu: &ThisCpu, info: &TrapInfo, frame: &mut Frame) -> Next {
    if Arch::handle_exception(info, frame) {
        return Next::Stay;
    }
    match frame.origin() {
        // The hardware's: what the program's memory or registers hold is not known, so nobody can reply to that.
        Origin::User if info.number == TrapNumber::MACHINE_CHECK && Arch::error_code(frame) != 0 => {
            fault::user_fault(cpu, info, frame)
        }
        Origin::User => match swap::fault(cpu, info) {
            Some(next) => next,
            None => match ipc::deliver_fault(cpu, info, frame) {
                Some(next) => next,
                None if info.number.is_breakpoint() => breakpoint::pause(cpu, info, frame),
                None => fault::user_fault(cpu, info, frame),
            },
        },
        Origin::Kernel => {
            let refusal = containment::contain_overflow(cpu, info, frame);
            lockdown::enter_uncontained(cpu, info, frame, refusal)
        }
    }
}
