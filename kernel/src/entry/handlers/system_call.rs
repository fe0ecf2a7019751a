//! System calls, by either door: the number leads to the handler. Those of messages try the short way first, which answers the
//! frame itself, and go the long way by a jump: so the short one needs no stack.

use alloc::sync::Arc;

use gatehouse_abi::SystemCall;

use super::road::handle;
use super::tables::SYSTEM_CALLS;
use crate::arch::{Frame as TrapFrame, leave_from_handler, vectors};
use crate::cpu;
use crate::entry::trap_main::trap_main_without_ends;
use crate::ipc::fast_path;
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
    match unsafe { fast_path::call(&cpu::this(), &*frame) } {
        // SAFETY: as in `exception::plain_fault`.
        Ok(next) => unsafe { leave_from_handler(next) },
        Err(Some(outgoing)) => call_outgoing(frame, outgoing),
        Err(None) => call_slow(frame),
    }
}

#[inline(never)]
fn call_outgoing(frame: *mut TrapFrame, outgoing: fast_path::Outgoing<'_>) -> *const TrapFrame {
    // SAFETY: as in `call_handler`.
    match unsafe { outgoing.send(&cpu::this(), &*frame) } {
        Some(next) => next,
        None => call_slow(frame),
    }
}

#[inline(never)]
extern "C" fn call_slow(frame: *mut TrapFrame) -> *const TrapFrame {
    handle(frame, system_call::call)
}

pub(super) extern "C" fn reply_receive_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    // SAFETY: as in `call_handler`.
    match unsafe { fast_path::reply_receive(&cpu::this(), &*frame) } {
        // SAFETY: as in `exception::plain_fault`.
        Ok(next) => unsafe { leave_from_handler(next) },
        Err(Some(client)) => reply_to_client(frame, client),
        Err(None) => reply_receive_slow(frame, None),
    }
}

#[inline(never)]
fn reply_to_client(frame: *mut TrapFrame, client: fast_path::Client<'_>) -> *const TrapFrame {
    // SAFETY: as in `call_handler`.
    match unsafe { client.reply(&cpu::this(), &*frame) } {
        Ok(next) => next,
        Err(client) => reply_receive_slow(frame, Some(client)),
    }
}

#[inline(never)]
fn reply_receive_slow(frame: *mut TrapFrame, client: Option<Arc<Thread>>) -> *const TrapFrame {
    handle(frame, |cpu, frame| system_call::reply_receive(cpu, frame, client))
}

pub(super) extern "C" fn signal_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    // SAFETY: as in `call_handler`.
    match unsafe { fast_path::signal(&cpu::this(), &mut *frame) } {
        // SAFETY: as in `exception::plain_fault`.
        Ok(next) => unsafe { leave_from_handler(next) },
        Err(Some(waiter)) => run_waiter(waiter),
        Err(None) => own_handler::<{ SystemCall::Signal as u64 }>(frame),
    }
}

#[inline(never)]
fn run_waiter(waiter: fast_path::Waiter) -> *const TrapFrame {
    // SAFETY: as in `call_handler`.
    unsafe { waiter.run(&cpu::this()) }
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
#[inline(never)]
pub(super) extern "C" fn system_call_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    handle(frame, system_call::dispatch)
}
