//! Who runs next.
//!
//! Each CPU schedules alone: its run queue is touched by no other. Threads come from other CPUs through the inbox, with an
//! IPI when the CPU may not look by itself. Handlers answer a [`Next`]; only [`pick`] acts on it.

mod inbox;
mod next;
mod poke;
mod ready;
mod reap;
mod run_queue;
mod suspend;
mod switch;

pub use inbox::{Inbox, InboxEntry};
pub use next::Next;
pub use poke::poke;
pub use ready::{
    deadline_reached, drain_inbox, enqueue, hand_over, hand_over_elsewhere, priority_changed, slice_ended, wake,
    yield_now,
};
pub use reap::{reap, stop_threads_elsewhere, wait_until_left};
pub use run_queue::RunQueue;
pub use suspend::{Suspended, resume, suspend};
pub use switch::{
    detach_current, forget_current, give_fpu, idle_on, nobody_above, pick, pick_anew, run_now, switch_directly,
};
