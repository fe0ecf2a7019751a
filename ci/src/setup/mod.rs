//! Finds what the tool needs and installs what is missing.
//!
//! ```text
//! component (what is needed) ─> procedure (what to do) ─> system (asked and told) ─ host (this machine)
//!                                     └> advice (what to say when nothing can be done)
//! ```
//!
//! The compiler comes from the first of these that works: the target is installed already; the distribution has a
//! compiler with library sources; `rustup target add`, under a time limit. Nothing is asked of the person, and a
//! second call finds everything and changes nothing.

mod advice;
mod apt;
mod backports;
mod component;
mod host;
mod null_device;
mod procedure;
mod system;
mod version;

pub use component::Component;
pub use host::Host;
pub use procedure::{Talk, set_up};
pub use version::Version;
