//! What first programs do with the programs that they start suspended.

use crate::raw::message::{
    Message, Suspended, create_endpoint, delete_capability, first_utcb, receive, resume_thread, spawn_suspended,
};
use gatehouse_runtime::Kernel;
use gatehouse_runtime::abi::{EndCause, Error, FaultMessage, MessageTag, ProgramEnd};
use gatehouse_runtime::time::{Deadline, MILLISECOND, SECOND};

use crate::wrong;

/// How long a child may take to end.
const PATIENCE: u64 = 20 * SECOND;

/// Starts a suspended instance of a program; only for the first thread. Ends the program if it cannot.
#[must_use]
pub fn start(name: &str, argument: u64, cpu: u64) -> Suspended {
    // SAFETY: only the first thread comes here.
    match spawn_suspended(name, argument, cpu, &unsafe { first_utcb() }) {
        Ok(child) => child,
        Err(error) => wrong(file!(), format_args!("{name} does not start: {error:?}")),
    }
}

/// Lets a child run.
pub fn resume(child: &Suspended) {
    if let Err(error) = resume_thread(child.thread) {
        wrong(file!(), format_args!("program {} is not resumed: {error:?}", child.number));
    }
}

/// A new endpoint.
#[must_use]
pub fn endpoint() -> u64 {
    match create_endpoint() {
        Ok(endpoint) => endpoint,
        Err(error) => wrong(file!(), format_args!("no endpoint: {error:?}")),
    }
}

/// Waits for a message.
#[must_use]
pub fn message(endpoint: u64) -> Message {
    match receive(endpoint, MessageTag::new(0, 0)) {
        Ok(message) => message,
        Err(error) => wrong(file!(), format_args!("no message: {error:?}")),
    }
}

/// Waits for a fault; only for the first thread.
#[must_use]
pub fn fault(endpoint: u64) -> FaultMessage {
    let message = message(endpoint);
    // SAFETY: only the first thread comes here.
    match message.fault(&unsafe { first_utcb() }) {
        Some(fault) => fault,
        None => wrong(file!(), format_args!("a message that is no fault: {message:?}")),
    }
}

/// Waits for a fault, or for the end of a child: a fault whose handler's time is over is received no more. Only for the first
/// thread.
///
/// # Errors
/// How the child ended.
pub fn fault_or_end(endpoint: u64) -> Result<FaultMessage, ProgramEnd> {
    let deadline = Deadline::after(4 * PATIENCE);
    loop {
        match receive(endpoint, MessageTag::new(0, 0).non_blocking()) {
            // SAFETY: only the first thread comes here.
            Ok(message) => match message.fault(&unsafe { first_utcb() }) {
                Some(fault) => return Ok(fault),
                None => wrong(file!(), format_args!("a message that is no fault: {message:?}")),
            },
            Err(Error::WouldBlock) if !deadline.passed() => {}
            Err(error) => wrong(file!(), format_args!("neither a fault nor an end: {error:?}")),
        }
        match Kernel::wait_program(MILLISECOND / 10) {
            Ok(None) => {}
            Ok(Some(end)) => return Err(end),
            Err(error) => wrong(file!(), format_args!("the child cannot be waited for: {error:?}")),
        }
    }
}

/// Waits for a child to end.
#[must_use]
pub fn end() -> ProgramEnd {
    match Kernel::wait_program(PATIENCE) {
        Ok(Some(end)) => end,
        other => wrong(file!(), format_args!("the child does not end: {other:?}")),
    }
}

/// Waits for a child to exit; answers its status.
#[must_use]
pub fn exit() -> u64 {
    let end = end();
    if end.cause != EndCause::Exited as u64 {
        wrong(file!(), format_args!("the child did not exit: {end:x?}"));
    }
    end.status
}

/// Deletes capabilities.
pub fn delete(slots: &[u64]) {
    for slot in slots {
        if let Err(error) = delete_capability(*slot) {
            wrong(file!(), format_args!("slot {slot} is not deleted: {error:?}"));
        }
    }
}

/// Gives a child's capabilities up.
pub fn forget(child: &Suspended) {
    delete(&[child.program, child.thread]);
}
