//! The processor. Everything outside this folder uses the names re-exported here and no others:
//!
//! `Arch` (implements [`crate::trap::ArchTrap`]), `Frame`, `FpuState`, `UserBases`, `Verdict`, and the functions below.

pub mod x86_64;

pub use x86_64::{
    Arch, Backtrace, BreakpointAccess, CodePoint, DebugRegisters, FpuState, Frame, HardwareBreakpoint, InstructionInfo,
    LastEntry, MachineCheckState, RefusedBreakpoint, Step, UserBases, Verdict, are_selectors_loaded, backtrace_of,
    clear_selectors, fpu_allow, fpu_forbid, harmless_port_value, instruction_info, ist_frame, keep_ports,
    leave_emulator, leave_through, load_address_space, load_debug_registers, load_initial_fpu_state, owner_of_ports,
    read_port, restart, runs_on_users_stack, stop_cpu, stop_here, ticks, walk, write_port,
};
