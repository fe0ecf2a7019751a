//! Calls about capabilities, and about the threads and programs behind them.

use alloc::sync::Arc;

use gatehouse_abi::{Error, SLOT_ANY, SLOT_NONE};
use gatehouse_core::capability::{self, Capability, Destination, Rights, Slot};

use super::look_up::{self, slot};
use super::memory::{map_in, swap_out_pages};
use super::progress::{Piece, PieceResult, Progress};
use crate::cpu::ThisCpu;
use crate::ipc::{self, Endpoint, handler};
use crate::memory::fallible;
use crate::object::{AnyObject, Counted, FOREST, KernelObject, drop_removed, drop_some_removed};
use crate::program::Program;
use crate::sched::Next;
use crate::thread::Thread;
use crate::user_copy;

/// The most that is copied between programs in one call.
pub(super) const COPY_LIMIT: u64 = 1024 * 1024;

fn refusal(error: capability::Error) -> Error {
    match error {
        capability::Error::NoSuchSlot | capability::Error::SlotInUse => Error::BadCapability,
        capability::Error::Full => Error::QuotaReached,
        capability::Error::NotPermitted => Error::NoRight,
        capability::Error::BadgeFixed => Error::InvalidArgument,
        capability::Error::Exhausted => Error::OutOfMemory,
    }
}

/// Puts an object of the kernel's making into a program's space; answers its slot.
pub(super) fn insert(program: &Program, object: impl KernelObject) -> Result<u64, Error> {
    let capability = Capability { object: AnyObject::new(object), rights: Rights::ALL, badge: 0 };
    FOREST.insert(program.capabilities(), Destination::AnyFree, capability).map(Slot::number).map_err(refusal)
}

pub(super) fn create_endpoint(thread: &Thread) -> Result<u64, Error> {
    insert(thread.program(), Counted::first(Endpoint::new())?)
}

/// Puts an object into the caller's space, derived from the capability in a slot there, with no more rights than that one
/// and `rights`; answers its slot.
pub(super) fn insert_below(
    thread: &Thread,
    source: u64,
    object: impl KernelObject,
    rights: Rights,
) -> Result<u64, Error> {
    let capability = Capability { object: AnyObject::new(object), rights, badge: 0 };
    let made = FOREST.insert_below(thread.program().capabilities(), slot(source)?, Destination::AnyFree, capability);
    made.map(Slot::number).map_err(refusal)
}

/// The program behind a slot.
pub(super) fn program(thread: &Thread, number: u64, right: Rights) -> Result<Arc<Program>, Error> {
    look_up::find(thread, number, right)
}

/// The rights of the capability in a slot.
pub(super) fn rights(thread: &Thread, number: u64) -> Result<Rights, Error> {
    thread.program().capabilities().inspect(slot(number)?, |capability| capability.rights).map_err(refusal)
}

/// The thread behind a slot.
pub(super) fn other_thread(thread: &Thread, number: u64, right: Rights) -> Result<Arc<Thread>, Error> {
    look_up::find(thread, number, right)
}

pub(super) fn copy(thread: &Thread, arguments: &[u64; 6]) -> Result<u64, Error> {
    let [source, rights, badge, target, ..] = *arguments;
    let rights = Rights::from_bits(rights).ok_or(Error::InvalidArgument)?;
    let own = thread.program();
    let target = if target == SLOT_NONE { Arc::clone(own) } else { program(thread, target, Rights::GRANT)? };
    let (from, to) = (own.capabilities(), target.capabilities());
    let made = if badge == 0 {
        FOREST.copy(from, slot(source)?, to, Destination::AnyFree, rights)
    } else {
        FOREST.mint(from, slot(source)?, to, Destination::AnyFree, rights, badge)
    };
    made.map(Slot::number).map_err(refusal)
}

pub(super) fn transfer(thread: &Thread, arguments: &[u64; 6]) -> Result<u64, Error> {
    let [source, target, destination, ..] = *arguments;
    let own = thread.program();
    let target = if target == SLOT_NONE { Arc::clone(own) } else { program(thread, target, Rights::GRANT)? };
    let destination = match destination {
        SLOT_ANY => Destination::AnyFree,
        number => Destination::At(slot(number)?),
    };
    let moved = FOREST.transfer(own.capabilities(), slot(source)?, target.capabilities(), destination);
    moved.map(Slot::number).map_err(refusal)
}

pub(super) fn delete(cpu: &ThisCpu, thread: &Thread, number: u64) -> Result<u64, Error> {
    let program = Arc::clone(thread.program());
    drop_removed(cpu, FOREST.delete(program.capabilities(), slot(number)?).map_err(refusal)?);
    Ok(0)
}

/// How many steps of a revocation are one piece of the call.
const REVOKE_AT_ONCE: usize = 32;

/// After so many pieces the rest is done at once: others may derive capabilities as fast as these go.
const REVOKE_PIECES: u16 = 4096;

/// A piece of a revocation.
pub(super) fn revoke(cpu: &ThisCpu, thread: &Thread, number: u64, progress: Progress) -> PieceResult {
    let program = Arc::clone(thread.program());
    let removed = FOREST.revoke(program.capabilities(), slot(number)?).map_err(refusal)?;
    if progress.done >= REVOKE_PIECES {
        drop_removed(cpu, removed);
    } else if drop_some_removed(cpu, removed, REVOKE_AT_ONCE) {
        return Ok(Piece::More(Progress { done: progress.done.saturating_add(1), ..progress }));
    }
    Ok(Piece::Done(0))
}

pub(super) fn set_fault_handler(cpu: &ThisCpu, thread: &Thread, arguments: &[u64; 6]) -> Result<Next, Error> {
    let [target, endpoint, limit, ..] = *arguments;
    if target == SLOT_NONE {
        let own = cpu.current_owned().ok_or(Error::WrongState)?;
        // SAFETY: the calling thread is the running one of this CPU.
        let changed = unsafe { change_handler(thread, endpoint, limit, &own) };
        return changed.map(|_replaced| Next::Stay).map_err(|refused| refused.error);
    }
    let target = other_thread(thread, target, Rights::CONTROL)?;
    let changed = {
        let life = target.program().life();
        let is_suspended = life.suspended.find(target.number()).is_some();
        if !is_suspended && life.paused.find(target.number()).is_none() {
            return Err(Error::WrongState);
        }
        // SAFETY: the thread is off every CPU, and cannot be resumed while its program's life is locked.
        unsafe { change_handler(thread, endpoint, limit, &target) }
    };
    // What was replaced, or refused, goes with no lock held.
    drop(changed.map_err(|refused| refused.error)?);
    let paused = target.program().life().paused.take(target.number());
    // What the thread is paused at is told at once.
    Ok(paused.map_or(Next::Stay, |paused| ipc::deliver_pending(cpu, paused)))
}

/// Binds the endpoint in a slot, or none, as the fault handler of `target`.
///
/// # Safety
/// As for [`handler::bind`].
unsafe fn change_handler(
    thread: &Thread,
    endpoint: u64,
    limit: u64,
    target: &Arc<Thread>,
) -> Result<handler::Replaced, handler::Refused> {
    if endpoint == SLOT_NONE {
        // SAFETY: the caller's promise.
        return Ok(unsafe { handler::clear(target) });
    }
    // SAFETY: the caller's promise.
    unsafe { handler::bind(thread, slot(endpoint).map_err(handler::Refused::from)?, target, limit) }
}

pub(super) fn map_into(cpu: &ThisCpu, thread: &Thread, arguments: &[u64; 6], progress: Progress) -> PieceResult {
    let [target, address, length, ..] = *arguments;
    map_in(cpu, &*program(thread, target, Rights::WRITE)?, address, length, progress)
}

/// Swaps out pages of a program.
pub(super) fn swap_out(cpu: &ThisCpu, thread: &Thread, arguments: &[u64; 6], progress: Progress) -> PieceResult {
    let [target, address, length, ..] = *arguments;
    let target = program(thread, target, Rights::WRITE)?;
    swap_out_pages(cpu, &target, address, length, progress)
}

/// Copies between the caller's memory and another program's.
pub(super) fn copy_memory(thread: &Thread, arguments: &[u64; 6], writes: bool) -> Result<u64, Error> {
    let [target, address, buffer, length, ..] = *arguments;
    let right = if writes { Rights::WRITE } else { Rights::READ };
    let target = program(thread, target, right)?;
    if length > COPY_LIMIT {
        return Err(Error::InvalidArgument);
    }
    let (from, source, to, destination) = match writes {
        true => (thread.program(), buffer, &target, address),
        false => (&target, address, thread.program(), buffer),
    };
    // Through kernel memory, so that only one address space is locked at a time.
    let mut bytes = fallible::filled(0, length as usize)?;
    user_copy::read(from, source, &mut bytes)?;
    user_copy::write(to, destination, &bytes)?;
    Ok(length)
}
