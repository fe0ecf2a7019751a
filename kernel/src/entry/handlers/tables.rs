//! What the entries call through: by vector, and by the number of the system call. Each handler is
//! `trap_main` with one kind of trap filled in, so that nothing on its way asks again what it is.

use gatehouse_abi::SystemCall;

use super::breakpoint::breakpoint;
use super::exception::{exception, general_protection};
use super::external_device::external_device_handler;
use super::interrupt_controller::{interrupt_controller_error_handler, spurious_interrupt_handler};
use super::ipi::ipi_handler;
use super::page_fault::page_fault;
use super::system_call::{
    SYSTEM_CALL_COUNT, acknowledge_handler, call_handler, int80_handler, null_handler, own_handler,
    reply_receive_handler, signal_handler, system_call_handler,
};
use super::timer::timer_handler;
use super::unknown_instruction::invalid_opcode;
use crate::arch::{Frame as TrapFrame, vectors};
use crate::system_call::system_calls;

/// What an entry calls, on the interrupt stack with interrupts off, with the frame that it has just completed. Answers the
/// frame to return through.
pub(in crate::entry) type Handler = extern "C" fn(*mut TrapFrame) -> *const TrapFrame;

/// By vector. Those of [`vectors::IST_MASK`] come here for traps from ring 3 only.
pub(in crate::entry) static HANDLERS: [Handler; 256] = {
    let mut table: [Handler; 256] = [external_device_handler; 256];
    let mut vector = 0;
    while vector < table.len() {
        table[vector] = by_vector(vector as u8);
        vector += 1;
    }
    table
};

const fn by_vector(vector: u8) -> Handler {
    match vector {
        vectors::BREAKPOINT => breakpoint,
        vectors::INVALID_OPCODE => invalid_opcode,
        vectors::GENERAL_PROTECTION => general_protection,
        vectors::PAGE_FAULT => page_fault,
        0..32 => exception,
        vectors::SYSTEM_CALL => int80_handler,
        vectors::TIMER => timer_handler,
        vectors::IPI => ipi_handler,
        vectors::APIC_ERROR => interrupt_controller_error_handler,
        vectors::SPURIOUS => spurious_interrupt_handler,
        _ => external_device_handler,
    }
}

/// The table below, from the rows of the calls: those that are marked `own` get a handler of their own.
macro_rules! handlers_of_calls {
    ($names:tt $($call:ident $(($($mark:ident),*))? => $outcome:expr,)*) => {{
        let mut table: [Handler; SYSTEM_CALL_COUNT + 1] = [system_call_handler; SYSTEM_CALL_COUNT + 1];
        $($($(handlers_of_calls!(@row table $call $mark);)*)?)*
        table
    }};
    (@row $table:ident $call:ident own) => {
        $table[SystemCall::$call as usize] = own_handler::<{ SystemCall::$call as u64 }>;
    };
    (@row $table:ident $call:ident $mark:ident) => {};
}

/// By the number of the system call, and one more for all numbers that mean nothing.
pub(in crate::entry) static SYSTEM_CALLS: [Handler; SYSTEM_CALL_COUNT + 1] = {
    let mut table = system_calls!(handlers_of_calls);
    // Those that try a shorter way first.
    table[SystemCall::Null as usize] = null_handler;
    table[SystemCall::Call as usize] = call_handler;
    table[SystemCall::ReplyReceive as usize] = reply_receive_handler;
    table[SystemCall::Signal as usize] = signal_handler;
    table[SystemCall::AcknowledgeInterrupt as usize] = acknowledge_handler;
    table
};
