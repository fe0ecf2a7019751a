//! System calls, by either door: the number leads to the handler. Those of messages try the short way first, which answers the
//! frame itself, and go the long way by a jump: so the short one needs no stack.

use alloc::sync::Arc;

use gatehouse_abi::SystemCall;

use super::road::handle;
use super::tables::SYSTEM_CALLS;
use crate::arch::{Frame as TrapFrame, leave_from_handler, vectors};
use crate::cpu;
use crate::entry::trap_main::trap_main_without_ends;
use crate::ipc::{self, TakenClient};
use crate::sched::Next;
use crate::system_call;
use crate::thread::Thread;

/// How many system calls there are; the number by which all others are handled.
pub(in crate::entry) const SYSTEM_CALL_COUNT: usize = SystemCall::ALL.len();

/// `int 0x80`: the same calls through the other door.
pub(super) extern "C" fn int80_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    cpu::this().entries().count(usize::from(vectors::SYSTEM_CALL));
    // SAFETY: as in `handle`.
    let number = unsafe { (*frame).general.rax };
    SYSTEM_CALLS[number.min(SYSTEM_CALL_COUNT as u64) as usize](frame)
}

pub(super) extern "C" fn null_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    // SAFETY: as in `handle`.
    trap_main_without_ends(unsafe { &mut *frame }, system_call::null)
}

pub(super) extern "C" fn call_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    // SAFETY: as in `handle`; system calls come from ring 3, so a thread is on this CPU, and this is its frame.
    match unsafe { ipc::call_here::<true>(&cpu::this(), &*frame) } {
        // SAFETY: as in `exception::plain_fault`.
        Some(next) => unsafe { leave_from_handler(next) },
        None => call_the_long_way(frame),
    }
}

#[inline(never)]
extern "C" fn call_the_long_way(frame: *mut TrapFrame) -> *const TrapFrame {
    // SAFETY: as in `call_handler`.
    if let Some(next) = unsafe { ipc::call_elsewhere(&cpu::this(), &*frame) } {
        return next;
    }
    // SAFETY: as above.
    handle(frame, |cpu, frame| match unsafe { ipc::call_here::<false>(cpu, frame) } {
        Some(_frame) => Next::Switched,
        None => system_call::call(cpu, frame),
    })
}

pub(super) extern "C" fn reply_receive_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    // SAFETY: as in `call_handler`.
    match unsafe { ipc::reply_receive_here::<true>(&cpu::this(), &*frame) } {
        // SAFETY: as in `exception::plain_fault`.
        Ok(Some(next)) => unsafe { leave_from_handler(next) },
        Ok(None) => reply_receive_the_long_way(frame),
        Err(taken) => reply_receive_to(frame, taken),
    }
}

#[inline(never)]
extern "C" fn reply_receive_the_long_way(frame: *mut TrapFrame) -> *const TrapFrame {
    // SAFETY: as in `call_handler`.
    handle(frame, |cpu, frame| match unsafe { ipc::reply_receive_here::<false>(cpu, frame) } {
        Ok(Some(_frame)) => Next::Switched,
        Ok(None) => system_call::reply_receive(cpu, frame),
        Err(taken) => system_call::reply_receive_to(cpu, frame, taken.into_client()),
    })
}

#[inline(never)]
fn reply_receive_to(frame: *mut TrapFrame, taken: TakenClient<'_>) -> *const TrapFrame {
    // SAFETY: as in `call_handler`.
    match unsafe { ipc::reply_receive_elsewhere(&cpu::this(), &*frame, taken) } {
        Ok(next) => next,
        Err(client) => reply_receive_to_the_long_way(frame, client),
    }
}

#[inline(never)]
fn reply_receive_to_the_long_way(frame: *mut TrapFrame, client: Arc<Thread>) -> *const TrapFrame {
    handle(frame, |cpu, frame| system_call::reply_receive_to(cpu, frame, client))
}

pub(super) extern "C" fn signal_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    // SAFETY: as in `call_handler`.
    match unsafe { ipc::signal_here::<true>(&cpu::this(), &mut *frame) } {
        // SAFETY: as in `exception::plain_fault`.
        Some(next) => unsafe { leave_from_handler(next) },
        None => signal_the_long_way(frame),
    }
}

#[inline(never)]
extern "C" fn signal_the_long_way(frame: *mut TrapFrame) -> *const TrapFrame {
    // SAFETY: as in `call_handler`.
    handle(frame, |cpu, frame| match unsafe { ipc::signal_here::<false>(cpu, frame) } {
        Some(_frame) => Next::Switched,
        None => system_call::own::<{ SystemCall::Signal as u64 }>(cpu, frame),
    })
}

pub(super) extern "C" fn acknowledge_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    // SAFETY: as in `handle`; system calls come from ring 3, so a thread is on this CPU.
    let (frame, thread) = unsafe { (&mut *frame, &*cpu::this().current_pointer()) };
    match system_call::try_acknowledge(thread, frame) {
        Some(()) => frame,
        None => system_call_handler(frame),
    }
}

/// The handler of one call alone.
pub(super) extern "C" fn own_handler<const NUMBER: u64>(frame: *mut TrapFrame) -> *const TrapFrame {
    handle(frame, system_call::own::<NUMBER>)
}

/// The handler of all calls that have none of their own.
pub(super) extern "C" fn system_call_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    handle(frame, system_call::dispatch)
}
