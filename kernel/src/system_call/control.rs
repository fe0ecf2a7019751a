//! Calls that stop threads and programs from outside.

use alloc::sync::Arc;

use gatehouse_abi::{DEFAULT_PRIORITY, Error, PRIORITIES, SLOT_NONE};
use gatehouse_core::capability::Rights;

use super::capabilities::{other_thread, program};
use super::dispatch::Outcome;
use crate::arch::{Frame, TrapFrame as _};
use crate::cpu::ThisCpu;
use crate::life;
use crate::sched::{self, Next, Suspended};
use crate::thread::Thread;

/// Ends a program, which may be the caller's.
pub(super) fn kill_program(cpu: &ThisCpu, thread: &Thread, target: u64) -> Result<u64, Error> {
    let target = program(thread, target, Rights::CONTROL)?;
    if life::kill(cpu, &target) { Ok(0) } else { Err(Error::Gone) }
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
        Ok(Suspended::NotYet) => Outcome::Restart,
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

/// Sets the priority of the calling thread, or of one that executes nothing and is in no queue.
pub(super) fn set_priority(cpu: &ThisCpu, thread: &Thread, target: u64, priority: u64) -> Result<Next, Error> {
    if !PRIORITIES.contains(&priority) {
        return Err(Error::InvalidArgument);
    }
    if priority > DEFAULT_PRIORITY && !thread.program().is_first() {
        return Err(Error::NotPermitted);
    }
    let priority = priority as u8;
    if target == SLOT_NONE {
        thread.set_priority(priority);
        return Ok(sched::priority_changed(cpu));
    }
    let target = other_thread(thread, target, Rights::CONTROL)?;
    let life = target.program().life();
    let is_suspended = life.suspended.find(target.number()).is_some();
    if !is_suspended && life.paused.find(target.number()).is_none() {
        return Err(Error::WrongState);
    }
    target.set_priority(priority);
    Ok(Next::Stay)
}
