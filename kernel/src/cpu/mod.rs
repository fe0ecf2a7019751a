//! What this kernel keeps for each CPU, and who may touch it.
//!
//! Two halves: [`Local`] belongs to its CPU alone and needs no lock; [`Remote`] is what other CPUs may touch, on
//! cache lines of its own. The trap path of a CPU writes to its `Local`,
//! to its block's counters, and to the lines of its `Remote` that only it writes; and to its set of pending IPIs when another
//! CPU has poked it.

mod last_entry;
mod local;
mod nmi_state;
mod placement;
mod remote;
mod table;
mod this_cpu;

pub use last_entry::LastEntry;
pub use local::Local;
pub use nmi_state::NmiState;
pub use placement::Placement;
pub use remote::{ATTEND, FLUSH, GIVE, NMI_DUMP, NMI_STOP, REAP, Remote};
pub use table::{all, are_known, by_index, find_frame_cache, install, next_in_turn};
pub use this_cpu::{Cpu, KernelCpu, ThisCpu, this, try_this};
