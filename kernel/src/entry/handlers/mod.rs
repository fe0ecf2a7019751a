//! Where assembly meets Rust: what each vector and each system call's number leads to, and the handler of each type of trap.
//!
//! ```text
//!  entry ─► tables ─► row: trap_main ─► exception ─► by_number ─► unaligned_access, page_fault, …
//!           vector,   fast path,       looks what   type         one `{trap_type}_handler` for each
//!           number    then the rest    it was                    type of trap
//!           of call                 ─► ipi, timer, external_device, system_call: the row is of one type
//! ```
//!
//! `docs/isa/x86_64/trap.md` lists them all, with what they do for programs and for the kernel.

mod breakpoint;
mod by_number;
mod exception;
mod external_device;
mod interrupt_controller;
mod invalid_memory;
mod ipi;
mod machine;
mod page_fault;
mod processor;
mod system_call;
mod tables;
mod timer;
mod unaligned_access;
mod unknown_instruction;

pub(super) use by_number::handle_by_number;
pub(super) use exception::Exception;
pub(super) use machine::{Fatal, HarmlessMachineCheck, NonMaskable};
pub(super) use system_call::SYSTEM_CALL_COUNT;
pub(super) use tables::{HANDLERS, SYSTEM_CALLS};
