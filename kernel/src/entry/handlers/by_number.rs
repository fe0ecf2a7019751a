//! Which handler the number of an exception leads to, once it is known.

use gatehouse_abi::TrapNumber;

use super::{breakpoint, invalid_memory, machine, page_fault, processor, unaligned_access, unknown_instruction};
use crate::arch::{Frame as TrapFrame, TrapInfo};
use crate::cpu::ThisCpu;
use crate::sched::Next;

/// The handler of a type of trap: does what the trap asks for.
type TypeHandler = fn(&ThisCpu, &TrapInfo, &mut TrapFrame) -> Next;

/// Calls the handler of the trap's type.
pub(in crate::entry) fn handle_by_number(cpu: &ThisCpu, info: &TrapInfo, frame: &mut TrapFrame) -> Next {
    by_number(info.number)(cpu, info, frame)
}

/// By number. System calls, interrupts, NMI and double faults do not come here: their vectors have handlers of their own.
const fn by_number(number: TrapNumber) -> TypeHandler {
    match number {
        TrapNumber::UNALIGNED_INSTRUCTION => unaligned_access::unaligned_instruction_handler,
        TrapNumber::UNALIGNED_LOAD => unaligned_access::unaligned_load_handler,
        TrapNumber::UNALIGNED_STORE => unaligned_access::unaligned_store_handler,
        TrapNumber::INVALID_MEMORY_EXECUTION => invalid_memory::execution_of_invalid_memory_handler,
        TrapNumber::INVALID_MEMORY_LOAD => invalid_memory::load_of_invalid_memory_handler,
        TrapNumber::INVALID_MEMORY_STORE => invalid_memory::store_of_invalid_memory_handler,
        TrapNumber::PROTECTION => invalid_memory::protection_violation_handler,
        TrapNumber::EXECUTION_PAGE_FAULT => page_fault::execution_page_fault_handler,
        TrapNumber::LOAD_PAGE_FAULT => page_fault::load_page_fault_handler,
        TrapNumber::STORE_PAGE_FAULT => page_fault::store_page_fault_handler,
        TrapNumber::UNKNOWN_INSTRUCTION => unknown_instruction::unknown_instruction_handler,
        TrapNumber::BREAKPOINT => breakpoint::breakpoint_handler,
        TrapNumber::DEBUG => breakpoint::debug_handler,
        TrapNumber::DIVIDE_ERROR => processor::divide_error_handler,
        TrapNumber::OVERFLOW => processor::overflow_handler,
        TrapNumber::BOUND_RANGE => processor::bound_range_exceeded_handler,
        TrapNumber::FLOATING_POINT => processor::floating_point_error_handler,
        TrapNumber::DEVICE_NOT_AVAILABLE => processor::floating_point_unit_not_available_handler,
        TrapNumber::SEGMENT => processor::bad_segment_or_task_state_handler,
        TrapNumber::CONTROL_PROTECTION => processor::control_flow_protection_handler,
        TrapNumber::VIRTUALIZATION => processor::virtualization_handler,
        TrapNumber::MACHINE_CHECK => machine::machine_check_handler,
        _ => processor::reserved_exception_handler,
    }
}
