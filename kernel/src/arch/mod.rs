//! The processor. Everything outside this folder uses the names re-exported here and no others:
//!
//! `Arch` (implements [`crate::trap::ArchTrap`]), `Frame`, `FpuState`, `UserBases`, `Verdict`, and the functions below.

pub mod x86_64;

pub use x86_64::{
    Arch, BreakpointAccess, DebugRegisters, FpuState, Frame, HardwareBreakpoint, InstructionInfo, LastEntry,
    RefusedBreakpoint, UserBases, Verdict, exit, fpu_allow, fpu_forbid, idle_frame, instruction_info, leave_through,
    load_address_space, load_debug_registers, read_port, stop_cpu, ticks, write_port,
};
