//! Calls about programs and threads.

use alloc::sync::Arc;

use gatehouse_abi::{ANY_CPU, Error, ProgramEnd, SPAWN_QUIET, SPAWN_SUSPENDED};
use gatehouse_core::sched::Affinity;
use percpu::CpuIndex;

use super::affinity::read_affinity;
use super::capabilities::insert;
use super::dispatch::Outcome;
use crate::arch::{Frame, TrapFrame as _};
use crate::console;
use crate::cpu::{self, ThisCpu};
use crate::life::{self, SpawnError, Start, Waited};
use crate::memory::fallible;
use crate::program;
use crate::sched::Next;
use crate::thread::Thread;
use crate::user_copy;

/// Names longer than this are in no archive.
const NAME_LIMIT: usize = 100;

pub(super) fn exit_thread(cpu: &ThisCpu, status: u64) -> Next {
    life::end_running_thread(cpu, status)
}

pub(super) fn exit_program(cpu: &ThisCpu, status: u64) -> Next {
    let Some(thread) = cpu.current() else { return Next::Choose };
    let end = life::exited(thread.program(), thread, cpu, status);
    life::end_current(cpu, end)
}

/// The CPU that a caller named, or a CPU of the kernel's choice: the next one in turn.
fn target_cpu(wanted: u64) -> Result<CpuIndex, Error> {
    if wanted != ANY_CPU {
        return u32::try_from(wanted).map(CpuIndex::new).map_err(|_| Error::NoSuchCpu);
    }
    cpu::next_in_turn().ok_or(Error::NoSuchCpu)
}

fn refusal(error: &SpawnError) -> Error {
    match error {
        SpawnError::NoSuchProgram => Error::NoSuchProgram,
        SpawnError::Elf(_) => Error::BadProgram,
        SpawnError::OutOfMemory => Error::OutOfMemory,
        SpawnError::NoSuchCpu => Error::NoSuchCpu,
        SpawnError::BadAddress => Error::InvalidArgument,
        SpawnError::Ending => Error::NotPermitted,
        SpawnError::QuotaReached => Error::QuotaReached,
    }
}

/// The caller gets `value` and goes on, unless the newcomer goes first.
fn answer(frame: &mut Frame, value: u64, next: Next) -> Outcome {
    frame.set_system_call_result(value);
    Outcome::Then(next)
}

pub(super) fn spawn_thread(cpu: &ThisCpu, thread: &Thread, frame: &mut Frame) -> Outcome {
    let [entry, stack_pointer, argument, target, _, length] = frame.system_call_arguments();
    if target == ANY_CPU || length != 0 {
        return spawn_thread_among(cpu, thread, frame);
    }
    let target = match u32::try_from(target) {
        Ok(target) => CpuIndex::new(target),
        Err(_) => return Outcome::Refused(Error::NoSuchCpu),
    };
    match life::spawn_thread(cpu, thread.program(), entry, stack_pointer, argument, target) {
        Ok((number, next)) => answer(frame, number, next),
        Err(error) => Outcome::Refused(refusal(&error)),
    }
}

/// The same for a thread that may run on several CPUs.
#[inline(never)]
fn spawn_thread_among(cpu: &ThisCpu, thread: &Thread, frame: &mut Frame) -> Outcome {
    let [entry, stack_pointer, argument, wanted, set, length] = frame.system_call_arguments();
    let (target, affinity) =
        match place_among(thread, wanted, set, length).and_then(|(cpu, set)| Ok((cpu, fallible::new_box(set)?))) {
            Ok(place) => place,
            Err(error) => return Outcome::Refused(error),
        };
    let arguments = [entry, stack_pointer, argument];
    match life::spawn_thread_among(cpu, thread.program(), arguments, target, affinity) {
        Ok((number, next)) => answer(frame, number, next),
        Err(error) => Outcome::Refused(refusal(&error)),
    }
}

/// Where a new thread begins, and where it may run: on any CPU, or on those of a set.
fn place_among(thread: &Thread, wanted: u64, set: u64, length: u64) -> Result<(CpuIndex, Affinity), Error> {
    let target = target_cpu(wanted)?;
    if length == 0 {
        return Ok((target, Affinity::All));
    }
    let affinity = read_affinity(thread, set, length)?;
    let begins = if wanted == ANY_CPU { affinity.next_from(target) } else { target };
    if affinity.contains(begins) { Ok((begins, affinity)) } else { Err(Error::InvalidArgument) }
}

pub(super) fn spawn_program(cpu: &ThisCpu, thread: &Thread, frame: &mut Frame) -> Outcome {
    let [name, length, argument, target, flags, ..] = frame.system_call_arguments();
    let program = thread.program();
    if !program.is_first() {
        return Outcome::Refused(Error::NotPermitted);
    }
    let mut bytes = [0; NAME_LIMIT];
    let name = match read_name(thread, name, length, &mut bytes) {
        Ok(name) => name,
        Err(error) => return Outcome::Refused(error),
    };
    let migratable = target == ANY_CPU;
    let target = match target_cpu(target) {
        Ok(target) => target,
        Err(error) => return Outcome::Refused(error),
    };
    if flags & !(SPAWN_QUIET | SPAWN_SUSPENDED) != 0 {
        return Outcome::Refused(Error::InvalidArgument);
    }
    let quiet = flags & SPAWN_QUIET != 0;
    let start = Start { name, argument, cpu: target, migratable, quiet, suspended: flags & SPAWN_SUSPENDED != 0 };
    match life::spawn_program(cpu, Some(program), &start) {
        Ok((child, next)) => {
            if start.suspended
                && let Err(error) = tell_slots(cpu, thread, &child)
            {
                life::end_before_start(cpu, &child);
                return Outcome::Refused(error);
            }
            answer(frame, child.number(), next)
        }
        Err(error) => {
            if let SpawnError::Elf(reason) = &error {
                console::line(format_args!("program {name} refused: {reason}"));
            }
            Outcome::Refused(refusal(&error))
        }
    }
}

/// Gives the parent of a suspended program capabilities of it and of its first thread, by way of its UTCB.
fn tell_slots(cpu: &ThisCpu, parent: &Thread, child: &Arc<program::Program>) -> Result<(), Error> {
    let first = child.life().suspended.first().ok_or(Error::Gone)?;
    let program_slot = insert(parent.program(), Arc::clone(child))?;
    let thread_slot = insert(parent.program(), first).inspect_err(|_| {
        // The caller is told of neither.
        let _gone = super::capabilities::delete(cpu, parent, program_slot);
    })?;
    parent.utcb().set(0, program_slot);
    parent.utcb().set(1, thread_slot);
    Ok(())
}

fn read_name<'name>(
    thread: &Thread,
    address: u64,
    length: u64,
    bytes: &'name mut [u8; NAME_LIMIT],
) -> Result<&'name str, Error> {
    let length = usize::try_from(length).ok().filter(|length| *length <= NAME_LIMIT).ok_or(Error::NoSuchProgram)?;
    let bytes = &mut bytes[..length];
    user_copy::read(thread.program(), address, bytes)?;
    core::str::from_utf8(bytes).map_err(|_| Error::InvalidArgument)
}

pub(super) fn wait_program(cpu: &ThisCpu, thread: &Thread, buffer: u64, nanoseconds: u64) -> Outcome {
    let program = Arc::clone(thread.program());
    if let Err(error) = user_copy::check_writable(&program, buffer, size_of::<ProgramEnd>() as u64) {
        return Outcome::Refused(error);
    }
    match life::wait_for_child(cpu, &program, nanoseconds) {
        Waited::Ended(end) => match user_copy::write(&program, buffer, user_copy::bytes_of(&end)) {
            Ok(()) => {
                life::told(&program);
                Outcome::Value(end.program)
            }
            Err(error) => {
                // The buffer went away after it was checked: the news is kept for the next call.
                life::not_told(&program, end);
                Outcome::Refused(error)
            }
        },
        Waited::Nothing => Outcome::Refused(Error::NothingToWaitFor),
        Waited::Waits => Outcome::Restart,
    }
}
