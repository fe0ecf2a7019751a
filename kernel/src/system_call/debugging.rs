//! Calls of debuggers: about threads that stand still, and the memory of their programs.

use alloc::sync::Arc;
use alloc::vec::Vec;

use gatehouse_abi::{
    BREAKPOINT_EXECUTE, BREAKPOINT_NONE, BREAKPOINT_READ_WRITE, BREAKPOINT_WRITE, Error, ThreadInformation, ThreadState,
};
use gatehouse_core::capability::Rights;

use super::capabilities::{COPY_LIMIT, insert_below, other_thread, program, rights};
use crate::arch::{BreakpointAccess, HardwareBreakpoint};
use crate::cpu::ThisCpu;
use crate::ipc;
use crate::life::{self, with_stopped};
use crate::memory::fallible;
use crate::program::Program;
use crate::sched::{self, Next};
use crate::thread::{Thread, Wait};
use crate::user_copy;

/// Lets a thread go on that stands at a breakpoint, with a debugger or without.
pub(super) fn clear_breakpoint(cpu: &ThisCpu, thread: &Thread, target: u64) -> Result<Next, Error> {
    let target = other_thread(thread, target, Rights::CONTROL)?;
    let woken = life::unpause(cpu, target.program(), target.number()).or_else(|| {
        let waiting = ipc::take_breakpoint(&target)?;
        waiting.set_wait(Wait::Nothing);
        Some(sched::wake(cpu, waiting))
    });
    woken.ok_or(Error::WrongState)
}

/// Writes the registers of a thread that stands still to the caller's message buffer.
pub(super) fn read_registers(thread: &Thread, target: u64) -> Result<u64, Error> {
    let target = other_thread(thread, target, Rights::READ)?;
    let registers = with_stopped(thread, &target, |stopped| stopped.registers()).ok_or(Error::WrongState)?;
    thread.utcb().set_registers(&registers);
    Ok(0)
}

/// Gives a thread that stands still the registers in the caller's message buffer.
pub(super) fn write_registers(thread: &Thread, target: u64) -> Result<u64, Error> {
    let target = other_thread(thread, target, Rights::WRITE)?;
    let registers = thread.utcb().registers();
    with_stopped(thread, &target, |mut stopped| stopped.set_registers(&registers)).ok_or(Error::WrongState)?;
    Ok(0)
}

/// Sets or clears one of a thread's four hardware breakpoints.
pub(super) fn set_hardware_breakpoint(thread: &Thread, arguments: &[u64; 6]) -> Result<u64, Error> {
    let [target, number, kind, address, length, ..] = *arguments;
    let target = other_thread(thread, target, Rights::WRITE)?;
    let access = match kind {
        BREAKPOINT_NONE => None,
        BREAKPOINT_EXECUTE => Some(BreakpointAccess::Execute),
        BREAKPOINT_WRITE => Some(BreakpointAccess::Write),
        BREAKPOINT_READ_WRITE => Some(BreakpointAccess::ReadWrite),
        _ => return Err(Error::InvalidArgument),
    };
    let breakpoint = access.map(|access| HardwareBreakpoint::new(address, access, length)).transpose();
    let breakpoint = breakpoint.map_err(|_| Error::InvalidArgument)?;
    let done = with_stopped(thread, &target, |mut stopped| stopped.set_hardware_breakpoint(number, breakpoint));
    done.ok_or(Error::WrongState)?.map_err(|_| Error::InvalidArgument)?;
    Ok(0)
}

/// Writes to another program's memory, to what it may not write itself, too: its code.
pub(super) fn patch_memory(thread: &Thread, arguments: &[u64; 6]) -> Result<u64, Error> {
    let [target, address, buffer, length, ..] = *arguments;
    let target = program(thread, target, Rights::WRITE.union(Rights::CONTROL))?;
    if length > COPY_LIMIT {
        return Err(Error::InvalidArgument);
    }
    let mut bytes = fallible::filled(0, length as usize)?;
    user_copy::read(thread.program(), buffer, &mut bytes)?;
    user_copy::patch(&target, address, &bytes)?;
    Ok(length)
}

/// What a program's thread does, as far as others can tell.
fn state(program: &Program, thread: &Arc<Thread>) -> ThreadState {
    let life = program.life();
    let number = thread.number();
    if life.suspended.find(number).is_some() {
        ThreadState::Suspended
    } else if life.paused.find(number).is_some() {
        ThreadState::Paused
    } else if thread.endpoint().is_set() {
        ThreadState::AtEndpoint
    } else if thread.awaits_reply() {
        ThreadState::AwaitsReply
    } else if thread.notification().is_set() {
        ThreadState::AtNotification
    } else {
        ThreadState::Running
    }
}

/// Tells the threads of a program; answers how many there are, which may be more than there was room for.
pub(super) fn list_threads(thread: &Thread, arguments: &[u64; 6]) -> Result<u64, Error> {
    let [target, buffer, length, ..] = *arguments;
    let target = program(thread, target, Rights::READ)?;
    let mut threads = Vec::new();
    {
        let life = target.life();
        fallible::reserve_exact(&mut threads, life.threads.len())?;
        #[expect(clippy::disallowed_methods, reason = "there is room for all")]
        threads.extend(life.threads.iter().filter_map(|(_, thread)| thread.upgrade()));
    }
    const BYTES: usize = size_of::<ThreadInformation>();
    let room = length as usize / BYTES;
    for (offset, other) in (0..).step_by(BYTES).zip(threads.iter().take(room)) {
        let information = ThreadInformation {
            number: other.number(),
            cpu: u64::from(other.cpu().get()),
            state: state(&target, other) as u64,
        };
        let place = buffer.checked_add(offset).ok_or(Error::BadAddress)?;
        user_copy::write(thread.program(), place, user_copy::bytes_of(&information))?;
    }
    Ok(threads.len() as u64)
}

/// Makes a capability of one of a program's threads, derived from that of the program, with its rights.
pub(super) fn open_thread(thread: &Thread, target: u64, number: u64) -> Result<u64, Error> {
    let allowed = rights(thread, target)?;
    let behind = program(thread, target, Rights::CONTROL)?;
    let found =
        behind.life().threads.iter().find(|(other, _)| *other == number).and_then(|(_, thread)| thread.upgrade());
    insert_below(thread, target, found.ok_or(Error::NotFound)?, allowed)
}
