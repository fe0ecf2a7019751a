//! The road: from the vector to the handler and back out, for every trap.
//!
//! ```text
//!  vectors ─► stubs ─► common ─► handlers ─► trap_main ─► handler ─► sched ─► leave
//!  (arch)             entry     number,     number,      system      who     (arch)
//!                     or ist,   count       &mut frame   call, fault, runs
//!                     syscall                            interrupt   next
//! ```
//!
//! What happens is asked of modules below: [`crate::system_call`], [`crate::ipc`], [`crate::irq`]. Nobody but the start imports
//! this one. Vectors and registers are named here and in [`crate::arch`], and nowhere else.

mod access_context;
mod begin_again;
mod breakpoint;
mod common;
mod dispatch;
mod entry_ist;
mod fault;
mod handlers;
mod idt;
mod interrupted_stack;
mod ipi;
mod ist_return;
mod machine_check;
mod nmi;
mod patch;
mod policy;
pub mod raise;
mod stubs;
mod syscall_entry;
mod trap_info;
mod trap_main;

pub use fault::FaultReport;
pub use idt::table as vectors_table;
pub use patch::{entries as patch_entries, lock_sites as patch_lock_sites};
pub use syscall_entry::syscall_entry;
