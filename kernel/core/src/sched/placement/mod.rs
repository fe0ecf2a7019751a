//! Bringing threads that may run on several CPUs and CPUs that have nothing to run together. `docs/smp.md`, "Placing
//! threads".

mod choice;
mod cpu_flags;
mod load_masks;

pub use choice::{Choice, Situation, choose};
pub use load_masks::{LoadMasks, MigratableThreads};
