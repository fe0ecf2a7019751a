//! x86-64: the names that [`crate::arch`] promises, and the modules behind them.
//!
//! Of the road through the kernel both ends are here: the table of the `vectors`, from which [`crate::entry`] makes its stubs,
//! the `frame` that they fill, and `leave`.

mod access;
mod backtrace;
mod bases;
mod classify;
mod clock;
mod clock_reference;
mod control;
mod control_registers;
mod debug_exit;
mod debug_registers;
mod decode;
mod exceptions;
mod fpu;
mod frame;
mod general_registers;
mod idle;
mod kernel_interrupt;
mod leave;
pub mod machine_check;
mod msr;
mod own_ports;
mod ports;
mod processor_state;
#[cfg(test)]
mod recorded_frames;
mod registers;
mod restart;
mod selectors;
mod system_call_registers;
mod trap_counts;
pub mod vectors;

pub use access::{INSTRUCTIONS, Interrupted, Question, prepare_cpu, prepare_decoder};
pub use backtrace::{Backtrace, CodePoint, Step, backtrace_of, walk};
pub use bases::UserBases;
pub use classify::{Accessed, classify};
pub use clock::{TscClock, ticks};
pub use clock_reference::{Calibration, Reference, calibrate, is_emulator};
pub use control::{initialise_cpu, load_address_space};
pub use control_registers::{ControlRegisters, CpuFeatures, control_registers};
pub use debug_exit::{ExitStatus, leave_emulator, stop_cpu};
pub use debug_registers::{
    BreakpointAccess, DebugRegisters, HardwareBreakpoint, RefusedBreakpoint, load as load_debug_registers,
    take_debug_status,
};
pub use decode::{page_fault_number, trap_number};
pub use exceptions::Arch;
pub use fpu::{
    FpuState, NoMemoryForState, allow as fpu_allow, forbid as fpu_forbid, load_initial as load_initial_fpu_state,
};
pub use frame::{NO_VECTOR, SYSCALL_VECTOR, TrapFrame as Frame, offsets as frame_offsets};
pub use general_registers::GeneralRegisters;
pub use idle::{Idle, IdleError, IdleFeatures};
pub use kernel_interrupt::{DEVICE_INTERRUPTS, FIRST_DEVICE_INTERRUPT, KernelInterrupt, ends_by_itself};
pub use leave::{leave, leave_from_handler, leave_through};
pub use machine_check::MACHINE_CHECKS;
pub use own_ports::{harmless as harmless_port_value, keep as keep_ports, owner as owner_of_ports};
pub use ports::{read as read_port, write as write_port};
pub use processor_state::{Shown, dirty as dirty_processor_state, show as show_register};
pub(crate) use registers::{
    naked_frame_asm, push_general_registers, restore_general_registers, restore_rest_and_point_at_interrupt_frame,
    save_general_registers,
};
pub use restart::{ist_frame, restart};
pub use selectors::{are_any_loaded as are_selectors_loaded, clear as clear_selectors};
pub use system_call_registers::SyscallEntry;
pub use trap_counts::TrapCounts;
