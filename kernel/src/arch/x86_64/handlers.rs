//! Which handler a vector, or a system call's number, leads to.
//!
//! The entries call through these tables; each handler is [`trap_main`] with one kind of trap filled in, so that nothing on
//! its way asks again what it is. Those of messages try the short way first, which answers the frame itself, and go the long
//! way by a jump: so the short one needs no stack.

use alloc::sync::Arc;

use gatehouse_abi::{SystemCall, TrapNumber};
use x86_64::registers::control::Cr2;

use super::decode::{page_fault_number, trap_number};
use super::exceptions::trap_info;
use super::frame::TrapFrame;
use super::leave::leave_from_handler;
use super::vectors;
use crate::cpu::{self, ThisCpu};
use crate::ipc::{self, TakenClient};
use crate::sched::Next;
use crate::thread::Thread;
use crate::trap::{Origin, TrapFrame as _, TrapInfo, exception, look_when_idle, trap_main};
use crate::{irq, system_call};

/// What an entry calls, on the interrupt stack with interrupts off, with the frame that it has just completed. Answers the
/// frame to return through.
pub(super) type Handler = extern "C" fn(*mut TrapFrame) -> *const TrapFrame;

/// By vector. Those of [`vectors::IST_MASK`] come here for traps from ring 3 only.
pub(super) static HANDLERS: [Handler; 256] = {
    let mut table: [Handler; 256] = [device_handler; 256];
    let mut vector = 0;
    while vector < table.len() {
        table[vector] = by_vector(vector as u8);
        vector += 1;
    }
    table
};

const fn by_vector(vector: u8) -> Handler {
    match vector {
        vectors::BREAKPOINT => breakpoint_handler,
        vectors::INVALID_OPCODE => unknown_instruction_handler,
        vectors::PAGE_FAULT => page_fault_handler,
        0..32 => exception_handler,
        vectors::SYSTEM_CALL => int80_handler,
        vectors::TIMER => timer_handler,
        vectors::IPI => ipi_handler,
        vectors::APIC_ERROR => controller_error_handler,
        vectors::SPURIOUS => spurious_handler,
        _ => device_handler,
    }
}

/// How many system calls there are; the number by which all others are handled.
pub(super) const SYSTEM_CALL_COUNT: usize = SystemCall::ALL.len();

/// By the number of the system call, and one more for all numbers that mean nothing.
pub(super) static SYSTEM_CALLS: [Handler; SYSTEM_CALL_COUNT + 1] = {
    let mut table: [Handler; SYSTEM_CALL_COUNT + 1] = [system_call_handler; SYSTEM_CALL_COUNT + 1];
    table[SystemCall::Null as usize] = null_handler;
    table[SystemCall::Call as usize] = call_handler;
    table[SystemCall::ReplyReceive as usize] = reply_receive_handler;
    table
};

/// [`trap_main`] for the frame that an entry passes.
#[inline(always)]
fn handle(frame: *mut TrapFrame, handler: impl FnOnce(&ThisCpu, &mut TrapFrame) -> Next) -> *const TrapFrame {
    // SAFETY: the entry passes the frame it has just completed; nobody else refers to it while its thread is in the
    // kernel on this CPU.
    trap_main(unsafe { &mut *frame }, handler)
}

/// The same for a vector that counts its entries here.
#[inline(always)]
fn handle_vector(
    vector: u8,
    frame: *mut TrapFrame,
    handler: impl FnOnce(&ThisCpu, &mut TrapFrame) -> Next,
) -> *const TrapFrame {
    handle(frame, |cpu, frame| {
        cpu.entries().count(usize::from(vector));
        handler(cpu, frame)
    })
}

extern "C" fn page_fault_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    plain_exception(frame, vectors::PAGE_FAULT, |frame| {
        // CR2 is the CPU's until its next page fault, and the kernel takes none between entry and this.
        (page_fault_number(frame.error_code()), Cr2::read_raw())
    })
}

extern "C" fn breakpoint_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    plain_exception(frame, vectors::BREAKPOINT, |_| (TrapNumber::BREAKPOINT, 0))
}

extern "C" fn unknown_instruction_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    plain_exception(frame, vectors::INVALID_OPCODE, |_| (TrapNumber::UNKNOWN_INSTRUCTION, 0))
}

/// An exception that is known by its number and the address that was accessed, 0 for none: in a program, it goes to the
/// thread's handler by the short way.
#[inline(always)]
fn plain_exception(
    frame: *mut TrapFrame,
    vector: u8,
    what: impl FnOnce(&TrapFrame) -> (TrapNumber, u64),
) -> *const TrapFrame {
    let cpu = cpu::this();
    cpu.entries().count(usize::from(vector));
    // SAFETY: as in `handle`.
    let saved = unsafe { &*frame };
    if saved.origin() == Origin::User {
        let (number, address) = what(saved);
        // SAFETY: ring 3 ran, so a thread is on this CPU, and this is its frame.
        if let Some(next) = unsafe { ipc::deliver_fault_here::<true>(&cpu, number, address, saved) } {
            // SAFETY: the frame is that of the thread that the CPU was switched to; entries put RSP on the interrupt stack.
            unsafe { leave_from_handler(next) }
        }
        return plain_fault_the_long_way(frame, number, address);
    }
    exception_handler_counted(frame)
}

/// A fault of a program, with all that may be in the way.
#[inline(never)]
extern "C" fn plain_fault_the_long_way(frame: *mut TrapFrame, number: TrapNumber, address: u64) -> *const TrapFrame {
    // SAFETY: as in `plain_exception`.
    if let Some(next) = unsafe { ipc::deliver_fault_elsewhere(&cpu::this(), number, address, &*frame) } {
        return next;
    }
    handle(frame, |cpu, frame| {
        // SAFETY: as in `plain_exception`.
        if let Some(_frame) = unsafe { ipc::deliver_fault_here::<false>(cpu, number, address, frame) } {
            return Next::Switched;
        }
        let info = trap_info(number, frame);
        exception(cpu, &info, frame)
    })
}

/// Any exception whose entry has been counted.
#[inline(never)]
extern "C" fn exception_handler_counted(frame: *mut TrapFrame) -> *const TrapFrame {
    handle(frame, |cpu, frame| {
        let info: TrapInfo = trap_info(trap_number(frame.vector() as u8, frame.error_code()), frame);
        exception(cpu, &info, frame)
    })
}

/// Exceptions whose frame has to be looked into, or that are rare.
extern "C" fn exception_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    handle(frame, |cpu, frame| {
        let vector = frame.vector() as u8;
        cpu.entries().count(usize::from(vector));
        let info: TrapInfo = trap_info(trap_number(vector, frame.error_code()), frame);
        exception(cpu, &info, frame)
    })
}

extern "C" fn timer_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    handle_vector(vectors::TIMER, frame, |cpu, _| look_when_idle(cpu, irq::timer(cpu)))
}

extern "C" fn ipi_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    handle_vector(vectors::IPI, frame, |cpu, frame| look_when_idle(cpu, irq::ipi(cpu, frame)))
}

extern "C" fn device_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    handle(frame, |cpu, frame| {
        cpu.entries().count(frame.vector() as usize);
        look_when_idle(cpu, irq::device(cpu, frame.vector()))
    })
}

extern "C" fn spurious_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    handle_vector(vectors::SPURIOUS, frame, |_, _| Next::Stay)
}

extern "C" fn controller_error_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    handle_vector(vectors::APIC_ERROR, frame, |cpu, _| irq::controller_error(cpu))
}

/// `int 0x80`: the same calls through the other door.
extern "C" fn int80_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    cpu::this().entries().count(usize::from(vectors::SYSTEM_CALL));
    // SAFETY: as in `handle`.
    let number = unsafe { (*frame).general.rax };
    SYSTEM_CALLS[number.min(SYSTEM_CALL_COUNT as u64) as usize](frame)
}

extern "C" fn null_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    handle(frame, |_, frame| system_call::null(frame))
}

extern "C" fn call_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    // SAFETY: as in `handle`; system calls come from ring 3, so a thread is on this CPU, and this is its frame.
    match unsafe { ipc::call_here::<true>(&cpu::this(), &*frame) } {
        // SAFETY: as in `plain_exception`.
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

extern "C" fn reply_receive_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    // SAFETY: as in `call_handler`.
    match unsafe { ipc::reply_receive_here::<true>(&cpu::this(), &*frame) } {
        // SAFETY: as in `plain_exception`.
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

extern "C" fn system_call_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    handle(frame, system_call::dispatch)
}
