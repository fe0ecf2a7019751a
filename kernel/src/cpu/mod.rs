//! What this kernel keeps for each CPU, and who may touch it.
//!
//! Two halves: [`Local`] belongs to its CPU alone and needs no lock; [`Remote`] is what other CPUs may touch, on
//! cache lines of its own. The trap path of a CPU writes only to its `Local`.

mod local;
mod remote;
mod table;
mod this_cpu;

pub use local::Local;
pub use remote::{NMI_STOP, Remote};
pub use table::{all, by_index, find_frame_cache, install, next_in_turn};
pub use this_cpu::{Block, KernelCpu, ThisCpu, this};
