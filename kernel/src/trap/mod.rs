//! Traps, whatever the processor: one road in, one road out.
//!
//! ```text
//!  vectors ─► stubs ─► entry ─► trap_main ─► handler ─► sched ─► leave
//!  (arch)    (arch)   (arch)   number,      system call   who      (arch)
//!                              &mut frame   fault         runs
//!                                           interrupt     next
//! ```
//!
//! `trap` handles what the running instruction caused; [`crate::irq`] handles what came from outside. Neither names a
//! vector or a register: those stay behind [`ArchTrap`] and [`TrapFrame`].

mod arch_trap;
mod breakpoint;
mod fault;
mod information;
mod policy;
mod trap_main;

pub use arch_trap::{ArchTrap, Origin, TrapFrame, TrapInfo};
pub use breakpoint::LeftPaused;
pub use fault::FaultReport;
pub use information::{
    faulting_instruction_address, invalid_memory_access_address, page_fault_access_address, unaligned_access_address,
};
pub use policy::{debug_exception, decoded_exception, exception, page_fault, shut_down};
pub use trap_main::{conclude, go_on, look_when_idle, trap_main, trap_main_without_ends};
