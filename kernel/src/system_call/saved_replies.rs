//! Calls about replies that are put aside.

use alloc::sync::Arc;

use gatehouse_abi::{Error, MessageTag, SLOT_NONE};
use gatehouse_core::capability::Rights;

use super::capabilities::insert;
use super::dispatch::Outcome;
use super::look_up::{self, slot};
use crate::arch::{Frame, TrapFrame as _};
use crate::cpu::ThisCpu;
use crate::ipc::{self, SavedReply, capability_transfer};
use crate::object::{AnyObject, Counted, FOREST, drop_removed};
use crate::thread::{OffCpu, Thread, Wait};

/// Puts the caller's right to reply into a slot.
pub(super) fn save(cpu: &ThisCpu, thread: &Thread) -> Result<u64, Error> {
    let saved = Counted::first(SavedReply::new())?;
    let number = insert(thread.program(), saved.clone())?;
    let result = saved.object().save(thread);
    if result.is_err() {
        forget(cpu, thread, number, saved.object());
    }
    // It may be the last capability, if another thread has emptied the slot: then the client is told.
    result.map(|()| number)
}

/// Empties a slot if that reply is in it.
fn forget(cpu: &ThisCpu, thread: &Thread, number: u64, saved: &Arc<SavedReply>) {
    let Ok(slot) = slot(number) else { return };
    let is_it = |object: &AnyObject| {
        object.get::<Counted<SavedReply>>().is_some_and(|other| Arc::ptr_eq(other.object(), saved))
    };
    if let Ok(removed) = FOREST.delete_if(thread.program().capabilities(), slot, |capability| is_it(&capability.object))
    {
        drop_removed(cpu, removed);
    }
}

fn find(thread: &Thread, number: u64) -> Result<Arc<SavedReply>, Error> {
    look_up::with(thread, number, Rights::SEND, |saved: &Counted<SavedReply>, _| Arc::clone(saved.object()))
}

/// Replies to whom a slot stands for, and empties the slot.
pub(super) fn reply_to(cpu: &ThisCpu, thread: &Thread, frame: &mut Frame, number: u64) -> Outcome {
    let tag = frame.message_tag();
    if tag.words() > MessageTag::MAX_WORDS {
        return Outcome::Refused(Error::InvalidArgument);
    }
    let found = capability_transfer::check(thread, tag).and_then(|()| find(thread, number));
    let saved = match found {
        Ok(saved) => saved,
        Err(error) => return Outcome::Refused(error),
    };
    let client = saved.take();
    forget(cpu, thread, number, &saved);
    Outcome::Then(ipc::reply(cpu, frame, client))
}

/// The registers of a thread whose fault waits for a reply: the caller's, or one that a slot stands for.
pub(super) fn read_fault_registers(thread: &Thread, number: u64) -> Result<u64, Error> {
    let registers_of = |client: OffCpu<'_>| (client.wait() == Wait::ForFaultReply).then(|| client.registers());
    let registers = match number {
        SLOT_NONE => ipc::inspect_client(thread, registers_of),
        number => find(thread, number)?.inspect(registers_of),
    };
    thread.utcb().set_registers(&registers.flatten().ok_or(Error::WrongState)?);
    Ok(0)
}
