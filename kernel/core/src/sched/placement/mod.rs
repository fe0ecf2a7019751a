//! Bringing threads that may run on several CPUs and CPUs that have nothing to run together. `docs/smp.md`, "Placing
//! threads".

mod board;
mod choice;
mod cpu_flags;

pub use board::{Board, MigratableThreads};
pub use choice::{Choice, Situation, choose};
