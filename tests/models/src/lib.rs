//! A model of how the kernel's threads, programs and objects live and end, for a checker that goes through every interleaving.
//!
//! [`Machine`] is one small machine: a few CPUs, threads with short scripts of system calls and faults, capabilities. Each
//! [`Action`] is what one CPU does in one go: one section under a lock, one atomic access, or what it does to itself alone in
//! between. Where the kernel's critical sections are one step, they are one step here; where it lets go of a lock with a
//! thread in its hands, that is the end of a step. Interrupts come to CPUs that run a program or idle.
//!
//! What must never be is in [`Violation`]: most of it is noted by the step that does it, and the rest by [`Machine::violations`]
//! in every state. A machine is also told which bug is put back ([`Seeded`]), so that tests show that the checks find it.
//!
//! Left out: priorities and slices (who is ready waits until the CPU is free), threads that move to other CPUs, suspension,
//! the disk, timers as objects, sends without reply, and the short paths, which do the same steps on one CPU.

mod check;
mod config;
mod ends;
mod handlers;
mod messages;
mod operations;
mod run;
mod scheduling;
mod state;
mod step;

pub use config::{Config, Op, Seeded, Sending, SlotConfig, ThreadConfig};
pub use run::{Action, Machine};
pub use state::{Object, State, Violation};
