//! What each CPU does when a moment comes.
//!
//! Each CPU has a list of entries by the moment at which they are due, and a one-shot hardware timer that is armed for the
//! earliest. The interrupt drops the due entry, completes its action, and advances to the next. An entry is a thread that
//! waits, or a [`Timer`], which any CPU may set and clear.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod capability;
mod interrupt;
mod per_cpu;
mod timer;
mod timer_list;

pub use capability::TimerCapability;
pub use interrupt::{arm_if_nothing_due, timer_interrupt};
pub use per_cpu::{TIMERS, is_in_use};
pub use timer::{Action, Firings, Timer, TimerAdapter, changed_elsewhere};
pub use timer_list::{Due, TimerList};
