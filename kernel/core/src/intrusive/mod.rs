//! What is linked by links of its own, so that nothing is allocated and nothing counted: the one module with unsafe code.
//!
//! An object is in one list of each kind at most, and owned by it: by a counted reference that the list holds as a pointer. What
//! the compiler cannot see, namely in which list an object is, the objects' traits promise.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]
#![allow(unsafe_code, reason = "pointers own what they lead to")]

mod exit_queue;
mod inbox;
mod link;
mod priority_inbox;
mod queues;
mod reply_right;
mod run_queue;
mod sole_waiter;

pub use exit_queue::{End, ExitLink, ExitQueue, Stage};
pub use inbox::{Inbox, InboxEntry};
pub use link::{Link, Linked, Stable};
pub use priority_inbox::PriorityInbox;
pub use queues::{Queues, Turn, Waiter};
pub use reply_right::{Owed, Party, ReplyRight, owe, take_client, take_client_at_breakpoint};
pub use run_queue::{RunQueue, Runnable};
pub use sole_waiter::SoleWaiter;
