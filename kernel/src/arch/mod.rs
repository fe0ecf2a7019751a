//! The processor: what a saved context is, and everything that names a register. A leaf: it imports nothing of the kernel but
//! `sync`. What happens on a trap is [`crate::entry`]'s.
//!
//! Everything outside this folder uses the names re-exported here and no others: the module behind them is private.

mod arch_trap;
mod information;
mod x86_64;

pub use arch_trap::{ArchTrap, Origin, TrapFrame, TrapInfo};
pub use information::{
    faulting_instruction_address, invalid_memory_access_address, page_fault_access_address, trap_address,
    unaligned_access_address,
};
pub use x86_64::{
    Accessed, Arch, Backtrace, BreakpointAccess, Calibration, CodePoint, ControlRegisters, CpuFeatures,
    DEVICE_INTERRUPTS, DebugRegisters, ExitStatus, FIRST_DEVICE_INTERRUPT, FpuState, Frame, GeneralRegisters,
    HardwareBreakpoint, INSTRUCTIONS, Idle, IdleError, IdleFeatures, Interrupted, KernelInterrupt, MACHINE_CHECKS,
    NO_VECTOR, NoMemoryForState, Question, Reference, RefusedBreakpoint, SYSCALL_VECTOR, Shown, Step, SyscallEntry,
    TrapCounts, TscClock, UserBases, are_selectors_loaded, backtrace_of, calibrate, classify, clear_selectors,
    control_registers, dirty_processor_state, ends_by_itself, fpu_allow, fpu_forbid, frame_offsets,
    harmless_port_value, initialise_cpu, is_emulator, ist_frame, keep_ports, leave, leave_emulator, leave_from_handler,
    leave_through, load_address_space, load_debug_registers, load_initial_fpu_state, machine_check, owner_of_ports,
    page_fault_number, prepare_cpu, prepare_decoder, read_port, restart, show_register, stop_cpu, take_debug_status,
    ticks, trap_number, vectors, walk, write_port,
};
pub(crate) use x86_64::{
    naked_frame_asm, push_general_registers, restore_general_registers, restore_rest_and_point_at_interrupt_frame,
    save_general_registers,
};
