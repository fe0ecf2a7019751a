//! What a pager does about the page faults of its clients: pages of zeros, stacks that grow, and pages that clients share
//! until one of them writes.
//!
//! A [`Client`] is a program and the [`Region`]s of its memory that are backed. [`Client::resolve`] takes the message of a
//! fault, does what the region asks for, and says what to reply. One thread serves all faults of a client, one after the
//! other: that is what makes the order of the steps enough, without locks. Threads of the client run on meanwhile, and may
//! fault on the same page; nothing here lets one of them see a page half filled. `docs/pager.md` explains each step.

mod image;
mod outcome;
mod plan;
mod region;
mod resolve;

pub use image::Image;
pub use outcome::{Refused, Resolved};
pub use region::{Backing, GUARD_BYTES, Region};
pub use resolve::Client;
