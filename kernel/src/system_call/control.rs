//! Calls that stop threads and programs from outside.

use alloc::sync::Arc;

use gatehouse_abi::{Error, SLOT_NONE};

use super::capabilities::{other_thread, program};
use super::dispatch::Outcome;
use crate::arch::Frame;
use crate::capability::Rights;
use crate::cpu::ThisCpu;
use crate::program;
use crate::sched::{self, Suspended};
use crate::thread::Thread;
use crate::trap::TrapFrame as _;

/// Ends a program, which may be the caller's.
pub(super) fn kill_program(cpu: &ThisCpu, thread: &Thread, target: u64) -> Result<u64, Error> {
    let target = program(thread, target, Rights::CONTROL)?;
    if program::kill(cpu, &target) { Ok(0) } else { Err(Error::Gone) }
}

/// Stops a thread. The caller makes the call again until another CPU has done so.
pub(super) fn suspend_thread(cpu: &ThisCpu, thread: &Thread, frame: &mut Frame, target: u64) -> Outcome {
    let target = match target {
        SLOT_NONE => cpu.current_owned().ok_or(Error::WrongState),
        slot => other_thread(thread, slot, Rights::CONTROL),
    };
    let target = match target {
        Ok(target) => target,
        Err(error) => return Outcome::Refused(error),
    };
    let is_caller = core::ptr::eq(Arc::as_ptr(&target), thread);
    if is_caller {
        // It stops in this call, with its answer.
        frame.set_system_call_result(0);
    }
    match sched::suspend(cpu, &target) {
        Ok(Suspended::Stopped(next)) => {
            // Of a caller that has stopped the frame belongs to whoever resumes it.
            if !is_caller {
                frame.set_system_call_result(0);
            }
            Outcome::Then(next)
        }
        Ok(Suspended::NotYet) => Outcome::Again,
        Err(error) => Outcome::Refused(error),
    }
}

/// Lets a thread go on.
pub(super) fn resume_thread(cpu: &ThisCpu, thread: &Thread, frame: &mut Frame, target: u64) -> Outcome {
    match other_thread(thread, target, Rights::CONTROL).and_then(|target| sched::resume(cpu, &target)) {
        Ok(next) => {
            frame.set_system_call_result(0);
            Outcome::Then(next)
        }
        Err(error) => Outcome::Refused(error),
    }
}
