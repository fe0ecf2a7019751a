//! Running something on other CPUs and waiting until they have done it.
//!
//! ```text
//!  caller                                   each target
//!  call(targets, operation):
//!    puts a request into each mailbox
//!    pokes each target  ─────────────────►  interrupt: Mailbox::answer
//!    waits, and answers its own mailbox       Posted → Running   (compare-exchange)
//!    (poll), so that two CPUs that call         runs the operation
//!    each other both come through             Running → Done, counts down
//!    all done, or the time is over:
//!    Posted → Cancelled (compare-exchange)   a cancelled request is dropped unrun
//! ```
//!
//! After the call each target has run the operation, or runs it at that moment and is named, or never will and
//! is named.

mod mailbox;
mod request;
mod send;

pub use mailbox::Mailbox;
pub use send::{Exchange, Targets, Unanswered, call};
