//! What is done about a machine check: the part that knows CPUs, memory and the console. What the banks say is decided by
//! [`crate::arch::machine_check`].

mod end;
mod handler;

pub(super) use end::{end_for_program, end_machine_check};
pub(super) use handler::{Outcome, handle};
