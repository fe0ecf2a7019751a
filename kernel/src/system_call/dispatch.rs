//! Number to handler.

use alloc::sync::Arc;

use gatehouse_abi::{Error, SystemCall};

use super::messages;
use super::progress::{Piece, PieceResult, Progress};
use super::table::{is_in_pieces, perform};
use crate::arch::{Frame, TrapFrame as _};
use crate::cpu::ThisCpu;
use crate::sched::Next;
use crate::swap;
use crate::thread::Thread;

/// What a call comes to.
pub(super) enum Outcome {
    /// The thread goes on with this result.
    Value(u64),
    /// The thread goes on with this error.
    Refused(Error),
    /// The thread has its result, and somebody else may run.
    Then(Next),
    /// The thread waits and will make the call again.
    Restart,
    /// A piece of the call is done. The thread makes it again at once for the next one, and what interrupts comes between.
    More(SystemCall, Progress),
}

impl From<Result<u64, Error>> for Outcome {
    fn from(result: Result<u64, Error>) -> Self {
        result.map_or_else(Self::Refused, Self::Value)
    }
}

impl From<Result<Next, Error>> for Outcome {
    fn from(result: Result<Next, Error>) -> Self {
        result.map_or_else(Self::Refused, Self::Then)
    }
}

/// [`SystemCall::Null`], which cannot fail and makes nobody ready.
#[inline(always)]
pub fn null(frame: &mut Frame) {
    frame.set_system_call_result(0);
}

/// The call with this number, compiled for it alone.
///
/// # Panics
/// No thread runs on this CPU.
#[inline(always)]
pub fn own<const NUMBER: u64>(cpu: &ThisCpu, frame: &mut Frame) -> Next {
    let call = const {
        match SystemCall::from_number(NUMBER) {
            Some(call) => call,
            None => panic!("no call has this number"),
        }
    };
    let outcome = perform(cpu, call, frame, Progress::NONE);
    settle(cpu, frame, outcome)
}

/// [`SystemCall::Call`].
#[inline(always)]
pub fn call(cpu: &ThisCpu, frame: &mut Frame) -> Next {
    own::<{ SystemCall::Call as u64 }>(cpu, frame)
}

/// [`SystemCall::ReplyReceive`], to a client that has been taken already, if there is one.
#[inline(always)]
pub fn reply_receive(cpu: &ThisCpu, frame: &mut Frame, client: Option<Arc<Thread>>) -> Next {
    match client {
        Some(client) => messages::reply_receive_to(cpu, frame, client),
        None => own::<{ SystemCall::ReplyReceive as u64 }>(cpu, frame),
    }
}

/// Handles any system call in the frame of the running thread. No number, and nothing else in the register, makes the kernel
/// panic.
#[inline(always)]
pub fn dispatch(cpu: &ThisCpu, frame: &mut Frame) -> Next {
    let number = frame.system_call_number();
    match SystemCall::from_number(number) {
        Some(call) => any(cpu, call, frame, Progress::NONE),
        None => go_on(cpu, frame, number),
    }
}

/// No call has this number: the thread may be in the middle of one.
#[cold]
#[inline(never)]
fn go_on(cpu: &ThisCpu, frame: &mut Frame, number: u64) -> Next {
    match Progress::from_register(number) {
        Some((call, progress)) if is_in_pieces(call) => any(cpu, call, frame, progress),
        _ => settle(cpu, frame, Outcome::Refused(Error::UnknownSystemCall)),
    }
}

/// A call of which only now is known which it is.
#[inline(never)]
fn any(cpu: &ThisCpu, call: SystemCall, frame: &mut Frame, progress: Progress) -> Next {
    let outcome = perform(cpu, call, frame, progress);
    settle(cpu, frame, outcome)
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

/// Does what a call comes to.
#[inline(always)]
pub(super) fn settle(cpu: &ThisCpu, frame: &mut Frame, outcome: Outcome) -> Next {
    match outcome {
        Outcome::Value(value) => frame.set_system_call_result(value),
        Outcome::Refused(error) => return swap::refused(cpu, frame, error),
        Outcome::Then(next) => return next,
        Outcome::Restart => {
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
