//! Who runs next.
//!
//! Each CPU schedules alone: its run queue is touched by no other. Threads come from other CPUs through the inbox, with an
//! IPI when the CPU may not look by itself. Where a thread goes that may run on several CPUs is decided in [`placement`]. Handlers answer a [`Next`]; only [`pick`] acts on it.

mod counts;
mod next;
mod path;
mod per_cpu;
mod placement;
mod ready;
mod reap;
mod registered;
mod requests;
mod slice;
mod suspend;
mod switch;
mod work;

pub use counts::Counts;
pub use next::Next;
pub use path::Path;
pub use per_cpu::{COUNTS, EXIT_QUEUE, REQUESTS, RUN_QUEUE, SLICE_END, TIMERS, idle_frame, is_in_use, prepare_cpu};
pub use placement::ImbalanceCheck;
pub use ready::{
    deadline_reached, drain_inbox, enqueue, hand_over, priority_changed, queue_preempted, slice_ended, start, wake,
    yield_now,
};
pub use reap::{reap, stop_threads_on, wait_until_left};
pub use registered::{MessageHooks, ProgramHooks, install_hooks, thread_gone};
pub use requests::Requests;
pub use slice::{ensure_slice, install_slice, wait_until};
pub use suspend::{Suspended, resume, set_affinity, suspend};
pub use switch::{
    anything_ends, detach_current, forget_current, give_fpu, give_way, idle_on, path_to, pick, run_ends, run_now,
};
pub use work::{Worker, own_priority};
