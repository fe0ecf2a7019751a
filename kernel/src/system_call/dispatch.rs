//! Number to handler.

use alloc::sync::Arc;

use gatehouse_abi::{Error, SystemCall};

use super::progress::{Piece, PieceResult, Progress};
use super::{
    affinity, calls, capabilities, control, debugging, frames, information, memory, messages, objects, programs,
    saved_replies, timers,
};
use crate::arch::{Frame, TrapFrame as _};
use crate::cpu::ThisCpu;
use crate::sched::Next;
use crate::swap;
use crate::test_hooks;
use crate::thread::Thread;
use crate::time;

/// What a call comes to.
pub(super) enum Outcome {
    /// The thread goes on with this result.
    Value(u64),
    /// The thread goes on with this error.
    Refused(Error),
    /// The thread has its result, and somebody else may run.
    Then(Next),
    /// The thread waits and will make the call again.
    Again,
    /// A piece of the call is done. The thread makes it again at once for the next one, and what interrupts comes between.
    More(SystemCall, Progress),
}

impl From<Result<u64, Error>> for Outcome {
    fn from(result: Result<u64, Error>) -> Self {
        result.map_or_else(Self::Refused, Self::Value)
    }
}

/// [`SystemCall::Null`].
#[inline(always)]
pub fn null(frame: &mut Frame) {
    frame.set_system_call_result(0);
}

/// [`SystemCall::Call`].
#[inline(always)]
pub fn call(cpu: &ThisCpu, frame: &mut Frame) -> Next {
    messages::message_call(cpu, SystemCall::Call, frame)
}

/// [`SystemCall::ReplyReceive`].
#[inline(always)]
pub fn reply_receive(cpu: &ThisCpu, frame: &mut Frame) -> Next {
    messages::message_call(cpu, SystemCall::ReplyReceive, frame)
}

/// [`SystemCall::ReplyReceive`] for a client that has been taken already.
#[inline(always)]
pub fn reply_receive_to(cpu: &ThisCpu, frame: &mut Frame, client: Arc<Thread>) -> Next {
    messages::reply_receive_to(cpu, frame, client)
}

/// Handles any system call in the frame of the running thread.
#[inline(always)]
pub fn dispatch(cpu: &ThisCpu, frame: &mut Frame) -> Next {
    match SystemCall::from_number(frame.system_call_number()) {
        Some(call @ (SystemCall::Send | SystemCall::Receive | SystemCall::Reply)) => {
            messages::message_call(cpu, call, frame)
        }
        Some(call) => other(cpu, call, frame),
        None => go_on(cpu, frame),
    }
}

/// No call has this number: the thread may be in the middle of one.
#[cold]
#[inline(never)]
fn go_on(cpu: &ThisCpu, frame: &mut Frame) -> Next {
    let arguments = frame.system_call_arguments();
    let Some(thread) = cpu.current() else { unreachable!("only threads make system calls") };
    let outcome = match Progress::from_register(frame.system_call_number()) {
        Some((call, progress)) => long_call(cpu, thread, call, &arguments, progress),
        None => Outcome::Refused(Error::UnknownSystemCall),
    };
    settle(cpu, frame, outcome)
}

/// A piece of one of the calls that are done in pieces.
fn long_call(cpu: &ThisCpu, thread: &Thread, call: SystemCall, arguments: &[u64; 6], progress: Progress) -> Outcome {
    let [first, second, ..] = *arguments;
    let result = match call {
        SystemCall::MapMemory => memory::map_in(cpu, thread.program(), first, second, progress),
        SystemCall::UnmapMemory => memory::unmap_in(cpu, thread.program(), first, second, progress),
        SystemCall::MapInto => capabilities::map_into(cpu, thread, arguments, progress),
        SystemCall::UnmapFrom => frames::unmap_from(cpu, thread, arguments, progress),
        SystemCall::SwapOut => capabilities::swap_out(cpu, thread, arguments, progress),
        SystemCall::RevokeCapability => capabilities::revoke(cpu, thread, first, progress),
        _ => Err(Error::UnknownSystemCall),
    };
    piece(call, result)
}

/// What a piece of a call comes to.
#[inline(always)]
pub(super) fn piece(call: SystemCall, result: PieceResult) -> Outcome {
    match result {
        Ok(Piece::Done(value)) => Outcome::Value(value),
        Ok(Piece::More(progress)) => Outcome::More(call, progress),
        Err(error) => Outcome::Refused(error),
    }
}

#[inline(never)]
fn other(cpu: &ThisCpu, call: SystemCall, frame: &mut Frame) -> Next {
    let arguments = frame.system_call_arguments();
    let [first, second, ..] = arguments;
    let Some(thread) = cpu.current() else { unreachable!("only threads make system calls") };
    let outcome: Outcome = match call {
        SystemCall::Null
        | SystemCall::ExitThread
        | SystemCall::Yield
        | SystemCall::SpawnThread
        | SystemCall::MapMemory
        | SystemCall::UnmapMemory
        | SystemCall::Send
        | SystemCall::Receive
        | SystemCall::Call
        | SystemCall::Reply
        | SystemCall::ReplyReceive
        | SystemCall::Wait
        | SystemCall::SetTimer
        | SystemCall::CancelTimer
        | SystemCall::PingCpu => unreachable!("they have handlers of their own"),
        SystemCall::ExitProgram => return programs::exit_program(cpu, first),
        SystemCall::DebugWrite => calls::debug_write(thread, first, second).into(),
        SystemCall::Clock => Outcome::Value(time::nanoseconds_since_start()),
        SystemCall::CpuNumber => Outcome::Value(u64::from(cpu.index().get())),
        SystemCall::Sleep => return calls::sleep(cpu, frame, time::moment_after(first)),
        SystemCall::SleepUntil => return calls::sleep(cpu, frame, time::moment_at(first)),
        SystemCall::SpawnProgram => programs::spawn_program(cpu, thread, frame),
        SystemCall::WaitProgram => programs::wait_program(cpu, thread, first, second),
        SystemCall::Record => calls::record(thread, first, second).into(),
        SystemCall::Information => information::information(thread, &arguments).into(),
        SystemCall::ShutDown => calls::shut_down(thread, first).into(),
        SystemCall::SetBase => calls::set_base(thread, first, second).into(),
        SystemCall::MoveToCpu => return calls::move_to_cpu(cpu, frame, first),
        SystemCall::CreateEndpoint => capabilities::create_endpoint(thread).into(),
        SystemCall::CopyCapability => capabilities::copy(thread, &arguments).into(),
        SystemCall::DeleteCapability => capabilities::delete(cpu, thread, first).into(),
        SystemCall::SetFaultHandler => then(frame, capabilities::set_fault_handler(cpu, thread, &arguments)),
        SystemCall::ResumeThread => control::resume_thread(cpu, thread, frame, first),
        SystemCall::ReadMemory => capabilities::copy_memory(thread, &arguments, false).into(),
        SystemCall::WriteMemory => capabilities::copy_memory(thread, &arguments, true).into(),
        SystemCall::ReadFaultRegisters => saved_replies::read_fault_registers(thread, first).into(),
        SystemCall::MapInto | SystemCall::SwapOut | SystemCall::UnmapFrom | SystemCall::RevokeCapability => {
            long_call(cpu, thread, call, &arguments, Progress::NONE)
        }
        SystemCall::CreateTimer => timers::create(cpu, thread, first, second).into(),
        SystemCall::ReadTimer => timers::read(thread, first).into(),
        SystemCall::SetAffinity | SystemCall::GetAffinity => {
            return affinity::affinity_call(cpu, thread, call, frame);
        }
        SystemCall::TestHook => return test_hooks::run(cpu, frame),
        _ => {
            let found = objects::object_call(cpu, thread, call, frame, &arguments)
                .or_else(|| debugging::debugging_call(cpu, thread, call, frame, &arguments));
            match found {
                Some(outcome) => outcome,
                None => unreachable!("every call has a handler"),
            }
        }
    };
    settle(cpu, frame, outcome)
}

/// Does what a call comes to.
#[inline(always)]
pub(super) fn settle(cpu: &ThisCpu, frame: &mut Frame, outcome: Outcome) -> Next {
    match outcome {
        Outcome::Value(value) => frame.set_system_call_result(value),
        Outcome::Refused(error) => return swap::refused(cpu, frame, error),
        Outcome::Then(next) => return next,
        Outcome::Again => {
            frame.restart_system_call();
            return Next::Choose;
        }
        Outcome::More(call, progress) => {
            frame.set_system_call_result(progress.to_register(call));
            frame.restart_system_call();
        }
    }
    Next::Stay
}

/// What a call comes to that may have made somebody else ready; it answers 0.
pub(super) fn then(frame: &mut Frame, result: Result<Next, Error>) -> Outcome {
    result.map_or_else(Outcome::Refused, |next| {
        frame.set_system_call_result(0);
        Outcome::Then(next)
    })
}

/// Ends the call that a thread was going to make again, since its time is over.
pub fn time_out(thread: &Thread) {
    // SAFETY: the thread is off every CPU, and the caller has just become its owner.
    let frame = unsafe { &mut *thread.frame_pointer() };
    frame.finish_system_call();
    frame.set_system_call_result(Error::NothingToWaitFor.to_register());
}
