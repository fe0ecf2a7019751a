//! The CPUs: the one that runs the code, all others, and why each was kicked.
//!
//! What the kernel keeps for each CPU is declared by whoever owns it, with [`percpu::per_cpu!`]: own to the CPU, reached by its
//! [`ThisCpu`] and needing no lock; or shared, on cache lines of its own, reached by any [`Cpu`]. The trap path of a CPU writes to what is
//! its own, to its block's counters, and to shared variables that only it writes; and to its set of pending IPIs when another CPU has
//! kicked it.

#[expect(clippy::module_inception, reason = "the file holds what the folder is named for")]
mod cpu;
mod last_entry;
mod nmi_state;
mod table;
mod this_cpu;

pub use cpu::{Cpu, IPI_TARGET, IpiTarget};
pub use last_entry::LastEntry;
pub use nmi_state::{NMI, NMI_DUMP, NMI_STOP};
pub use table::{all, are_known, by_index, install, next_in_turn};
pub use this_cpu::{ThisCpu, prepare_cpu, this, try_this};
