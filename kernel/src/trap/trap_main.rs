//! The one function that every trap of every kind goes through.

use gatehouse_abi::TrapNumber;

use super::{ArchTrap, Origin, TrapFrame, TrapInfo, fault};
use crate::arch::{Arch, Frame};
use crate::cpu::{self, ThisCpu};
use crate::sched::{self, Next};
use crate::{ipc, irq, lockdown, system_call};

/// Handles a trap and answers the frame to return through: the same one, another thread's, or the idle one.
///
/// Inlined into the architecture's entries, where `number` is often a constant: the system call's way has no other
/// branch in it than those of the call itself.
#[inline(always)]
pub fn trap_main(number: TrapNumber, frame: &mut Frame, info: impl FnOnce(&Frame) -> TrapInfo) -> *const Frame {
    let cpu = cpu::this();
    let next = match number {
        TrapNumber::SYSTEM_CALL => system_call::dispatch(&cpu, frame),
        TrapNumber::TIMER => look_when_idle(&cpu, irq::timer(&cpu)),
        TrapNumber::IPI => look_when_idle(&cpu, irq::ipi(&cpu)),
        TrapNumber::DEVICE => irq::device(&cpu, info(frame).vector),
        TrapNumber::SPURIOUS => Next::Stay,
        TrapNumber::CONTROLLER_ERROR => irq::controller_error(&cpu),
        _ => exception(&cpu, &info(frame), frame),
    };
    match next {
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
fn look_when_idle(cpu: &ThisCpu, next: Next) -> Next {
    if cpu.current().is_none() { Next::Choose } else { next }
}

/// Whatever the interrupted instruction itself caused.
#[inline(never)]
pub fn exception(cpu: &ThisCpu, info: &TrapInfo, frame: &mut Frame) -> Next {
    if Arch::handle_exception(info, frame) {
        return Next::Stay;
    }
    match frame.origin() {
        Origin::User => match ipc::deliver_fault(cpu, info, frame) {
            Some(next) => next,
            None => fault::user_fault(cpu, info, frame),
        },
        Origin::Kernel => lockdown::enter(cpu, info, frame),
    }
}
