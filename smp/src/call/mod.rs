//! Running something on other CPUs and waiting until they have done it.
//!
//! ```text
//!  caller                                        each target
//!  call(targets, operation):
//!    the operation into its own outbox
//!    its bit into each target's mailbox,
//!    pokes each  ─────────────────────────────►  interrupt: Mailbox::answer, for each bit:
//!    waits, and answers its own mailbox            clears the bit (the request is taken)
//!    (poll), so that two CPUs that call            runs the operation in that CPU's outbox
//!    each other both come through                  counts it done there
//!    all done, or the time is over:
//!    clears the bits that still stand              a bit that is gone is no request any more
//! ```
//!
//! After the call each target has run the operation, or runs it at that moment and is named, or never will and is named.
//!
//! Nothing is allocated: a CPU has one outbox, so it makes one call at a time, and a mailbox has one bit for each CPU that
//! may call. Taking a request and taking it back both clear its bit by a read-modify-write, so one of them wins. The bit's
//! release and acquire carry the operation to the target, those of the count carry back what it did.

mod mailbox;
mod outbox;
mod send;

pub use mailbox::Mailbox;
pub use outbox::Outbox;
pub use send::{Call, Exchange, Unanswered};
