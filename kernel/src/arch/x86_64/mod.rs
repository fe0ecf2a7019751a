//! x86-64: the names that [`crate::arch`] promises, and the modules behind them.
//!
//! The road through this folder: `vectors` (one table) -> `stubs` -> `entry` (or `entry_ist`, `syscall_entry`) ->
//! `dispatch` -> portable code -> `leave`.

mod access;
mod access_context;
mod backtrace;
mod bases;
mod classify;
mod clock;
mod clock_rate;
mod clock_reference;
mod control;
mod debug_exit;
mod debug_registers;
mod decode;
mod dispatch;
mod entry;
mod entry_ist;
mod exceptions;
mod fpu;
mod frame;
mod general_registers;
mod handlers;
mod idle;
mod idt;
mod interrupted_stack;
mod ist_return;
mod last_entry;
mod leave;
mod machine_check;
mod msr;
mod own_ports;
mod patch;
mod ports;
mod processor_state;
pub mod raise;
#[cfg(test)]
mod recorded_frames;
mod registers;
mod restart;
mod selectors;
mod stubs;
mod syscall_entry;
mod system_call_registers;
mod trap_counts;
pub mod vectors;

pub use access::{instruction_info, prepare_decoder};
pub use backtrace::{Backtrace, CodePoint, Step, backtrace_of, walk};
pub use bases::UserBases;
pub use clock::{TscClock, ticks};
pub use clock_rate::{Comparison, GOOD_PPM, RateRange};
pub use clock_reference::{Calibration, Reference, calibrate, is_emulator};
pub use control::{initialise_cpu, load_address_space};
pub use debug_exit::{Verdict, leave_emulator, stop_cpu};
pub use debug_registers::{
    BreakpointAccess, DebugRegisters, HardwareBreakpoint, RefusedBreakpoint, load as load_debug_registers,
};
pub use exceptions::Arch;
pub use fpu::{
    FpuState, NoMemoryForState, allow as fpu_allow, forbid as fpu_forbid, load_initial as load_initial_fpu_state,
};
pub use frame::{NO_VECTOR, SYSCALL_VECTOR, TrapFrame as Frame, USER_END};
pub use general_registers::GeneralRegisters;
pub use iced_x86::InstructionInfoFactory as InstructionInfo;
pub use idle::{Idle, IdleError, IdleFeatures};
pub use idt::table as vectors_table;
pub use interrupted_stack::runs_on_users_stack;
pub use last_entry::LastEntry;
pub use leave::leave_through;
pub use machine_check::{Action as MachineCheckAction, MachineCheckEvent, MachineCheckState, POLICY, PolicyRow};
pub use own_ports::{harmless as harmless_port_value, keep as keep_ports, owner as owner_of_ports};
pub use patch::entries as patch_entries;
pub use ports::{read as read_port, write as write_port};
pub use processor_state::{Shown, dirty as dirty_processor_state, show as show_register};
pub use raise::stop_here;
pub use restart::{ist_frame, restart};
pub use selectors::{are_any_loaded as are_selectors_loaded, clear as clear_selectors};
pub use trap_counts::TrapCounts;
