//! Where assembly meets Rust: what each vector and each system call's number leads to, and the handler of each type of trap.
//!
//! ```text
//!  entry ─► tables ─► exception ─► by_number ─► unaligned_access, invalid_memory, page_fault, …
//!           vector,   short way,   type         one `{trap_type}_handler` for each type of trap
//!           number    else looks
//!           of call   what it was
//!                  ─► ipi, timer, external_device, system_call: the vector says the type already
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
mod road;
mod system_call;
mod tables;
mod timer;
mod unaligned_access;
mod unknown_instruction;

pub(super) use breakpoint::debug_handler;
pub(super) use by_number::handle_by_number;
pub(super) use machine::{double_fault_handler, non_maskable_interrupt_handler};
pub(super) use system_call::SYSTEM_CALL_COUNT;
pub(super) use tables::{HANDLERS, SYSTEM_CALLS};
