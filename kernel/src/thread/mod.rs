//! Threads: a saved context, and what the scheduler must know of its owner.
//!
//! A thread is always in one place, which owns it: on a CPU (`current`), in a CPU's run queue or inbox, in a timer list, or
//! with whatever it waits for. Moving it moves an `Arc`.

mod current;
mod debug;
mod flags;
mod home;
mod list;
mod loaded_state;
mod messages;
pub mod migratable;
mod off_cpu;
#[expect(clippy::module_inception, reason = "the file holds what the folder is named for")]
mod thread;
mod utcb;
mod wait;

pub use flags::{Needs, ThreadFlag, ThreadFlags};
pub use list::ThreadList;
pub use loaded_state::{LOADED_STATE, LoadedState, prepare_cpu};
pub use off_cpu::OffCpu;
pub use thread::{
    Attended, DEFAULT_PRIORITY, QueueAdapter, SaveArea, SenderAdapter, Thread, ThreadTimerAdapter, count,
};
pub use utcb::Utcb;
pub use wait::Wait;
