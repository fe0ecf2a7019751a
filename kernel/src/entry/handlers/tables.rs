//! What the entries call through: by vector, and by the number of the system call. Each handler is
//! [`trap_main`](crate::trap::trap_main) with one kind of trap filled in, so that nothing on its way asks again what it is.

use gatehouse_abi::SystemCall;

use super::exception::{exception, general_protection};
use super::external_device::external_device_handler;
use super::interrupt_controller::{interrupt_controller_error_handler, spurious_interrupt_handler};
use super::ipi::ipi_handler;
use super::page_fault::page_fault;
use super::passed_traps::{breakpoint_instruction, invalid_opcode};
use super::system_call::{
    SYSTEM_CALL_COUNT, acknowledge_handler, call_handler, cancel_timer_handler, exit_thread_handler, int80_handler,
    map_memory_handler, null_handler, ping_cpu_handler, reply_receive_handler, set_timer_handler, signal_handler,
    spawn_thread_handler, system_call_handler, unmap_memory_handler, wait_handler, yield_handler,
};
use super::timer::timer_handler;
use crate::arch::{Frame as TrapFrame, vectors};

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
        vectors::BREAKPOINT => breakpoint_instruction,
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

/// By the number of the system call, and one more for all numbers that mean nothing.
pub(in crate::entry) static SYSTEM_CALLS: [Handler; SYSTEM_CALL_COUNT + 1] = {
    let mut table: [Handler; SYSTEM_CALL_COUNT + 1] = [system_call_handler; SYSTEM_CALL_COUNT + 1];
    table[SystemCall::Null as usize] = null_handler;
    table[SystemCall::Call as usize] = call_handler;
    table[SystemCall::ReplyReceive as usize] = reply_receive_handler;
    table[SystemCall::Signal as usize] = signal_handler;
    table[SystemCall::AcknowledgeInterrupt as usize] = acknowledge_handler;
    table[SystemCall::ExitThread as usize] = exit_thread_handler;
    table[SystemCall::Yield as usize] = yield_handler;
    table[SystemCall::SpawnThread as usize] = spawn_thread_handler;
    table[SystemCall::MapMemory as usize] = map_memory_handler;
    table[SystemCall::UnmapMemory as usize] = unmap_memory_handler;
    table[SystemCall::Wait as usize] = wait_handler;
    table[SystemCall::SetTimer as usize] = set_timer_handler;
    table[SystemCall::CancelTimer as usize] = cancel_timer_handler;
    table[SystemCall::PingCpu as usize] = ping_cpu_handler;
    table
};
