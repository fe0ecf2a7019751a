//! What the entries call through: by vector, and by the number of the system call. Each row is
//! `trap_main` with one kind of trap filled in, so that nothing on its way asks again what it is.

use gatehouse_abi::SystemCall;

use super::breakpoint::Breakpoint;
use super::exception::{Exception, Faulted};
use super::external_device::ExternalDevice;
use super::interrupt_controller::{ControllerError, Spurious};
use super::ipi::Ipi;
use super::page_fault::PageFault;
use super::system_call::{
    Acknowledge, BY_INT80, BY_SYSCALL, Made, MessageCall, Null, Other, Own, ReplyReceive, SYSTEM_CALL_COUNT, Signal,
    int80,
};
use super::timer::Timer;
use super::unknown_instruction::UnknownInstruction;
use crate::arch::vectors;
use crate::entry::trap_main::{Handler, row};
use crate::system_call::system_calls;

/// By vector. Those of [`vectors::IST_MASK`] come here for traps from ring 3 only.
pub(in crate::entry) static HANDLERS: [Handler; 256] = {
    let mut table: [Handler; 256] = [row::<ExternalDevice>; 256];
    let mut vector = 0;
    while vector < table.len() {
        table[vector] = by_vector(vector as u8);
        vector += 1;
    }
    table
};

const fn by_vector(vector: u8) -> Handler {
    match vector {
        vectors::BREAKPOINT => row::<Faulted<Breakpoint>>,
        vectors::INVALID_OPCODE => row::<Faulted<UnknownInstruction>>,
        vectors::PAGE_FAULT => row::<Faulted<PageFault>>,
        0..32 => row::<Exception>,
        vectors::SYSTEM_CALL => int80,
        vectors::TIMER => row::<Timer>,
        vectors::IPI => row::<Ipi>,
        vectors::APIC_ERROR => row::<ControllerError>,
        vectors::SPURIOUS => row::<Spurious>,
        _ => row::<ExternalDevice>,
    }
}

/// The table below, from the rows of the calls: those that are marked `own` are compiled for themselves.
macro_rules! rows_of_calls {
    ($names:tt $($call:ident $(($($mark:ident),*))? => $outcome:expr,)*) => {{
        let mut table: [Handler; SYSTEM_CALL_COUNT + 1] = [row::<Made<Other, BY_SYSCALL>>; SYSTEM_CALL_COUNT + 1];
        $($($(rows_of_calls!(@row table $call $mark);)*)?)*
        table
    }};
    (@row $table:ident $call:ident own) => {
        $table[SystemCall::$call as usize] = row::<Made<Own<{ SystemCall::$call as u64 }>, BY_SYSCALL>>;
    };
    (@row $table:ident $call:ident $mark:ident) => {};
}

/// By the number of the system call, and one more for all numbers that mean nothing.
pub(in crate::entry) static SYSTEM_CALLS: [Handler; SYSTEM_CALL_COUNT + 1] = {
    let mut table = system_calls!(rows_of_calls);
    // Those that have a fast path.
    table[SystemCall::Null as usize] = row::<Made<Null, BY_SYSCALL>>;
    table[SystemCall::Call as usize] = row::<Made<MessageCall, BY_SYSCALL>>;
    table[SystemCall::ReplyReceive as usize] = row::<Made<ReplyReceive, BY_SYSCALL>>;
    table[SystemCall::Signal as usize] = row::<Made<Signal, BY_SYSCALL>>;
    table[SystemCall::AcknowledgeInterrupt as usize] = row::<Made<Acknowledge, BY_SYSCALL>>;
    table
};

/// The same for calls by `int 0x80`, which is there for programs that have nothing else, and has next to no fast path.
pub(in crate::entry) static INT80_CALLS: [Handler; SYSTEM_CALL_COUNT + 1] = {
    let mut table: [Handler; SYSTEM_CALL_COUNT + 1] = [row::<Made<Other, BY_INT80>>; SYSTEM_CALL_COUNT + 1];
    table[SystemCall::Null as usize] = row::<Made<Null, BY_INT80>>;
    table
};
