//! Messages between threads; faults are messages, too.
//!
//! ```text
//!   client                         endpoint                        server
//!   call, or a fault ───────────►  senders (by priority)
//!                                  receivers (first come)  ◄─────── receive
//!   waits for the reply  ◄─────────────────────────────────────────  reply: the right lives in the server's thread
//! ```
//!
//! Nothing is allocated and nothing is counted on the way: threads move from list to list, and the right to reply is a
//! pointer in the server that owns the waiting client. Each endpoint has its own lock. A receiver that waits on the same CPU
//! is switched to at once.
//!
//! Getting a thread out of such a wait from outside is rare and takes one global lock, [`cancel`].

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod breakpoint;
mod cancel;
pub mod capability_transfer;
mod endpoint;
pub mod fast_path;
mod fault;
pub mod handler;
mod limit;
mod locked_endpoint;
mod message;
pub mod notification;
mod reply;
mod saved_reply;
mod switch;
mod waiter;

pub use breakpoint::{deliver_pending, take_breakpoint, with_owed_fault, with_waiting_fault};
pub use cancel::{cancel, cancelled, inspect_client, release_clients};
pub use endpoint::{Endpoint, Sender, receive, send};
pub use fault::deliver_fault;
pub use handler::FaultHandler;
pub use limit::HOOKS;
pub use message::{Sending, fault_message};
pub use notification::{Notification, Signalled};
pub use reply::{forget_client, reply, reply_receive};
pub use saved_reply::SavedReply;
