//! Finds what the tool needs, and on Debian installs what is missing.
//!
//! ```text
//! component (what is needed) ─> procedure (what to do) ─> apt (how Debian does it)
//! ```
//!
//! The compiler comes from the first of these that works: the target is installed already; the distribution has a
//! compiler with library sources; `rustup target add`, under a time limit. Nothing is asked of the person, and a
//! second call finds everything and changes nothing. Nothing is decided by package lists that were not just fetched, what
//! will change is told first, and no package is ever removed: where the distribution's compiler would take the place of
//! another one, it is unpacked in the target folder.

mod apt;
mod component;
mod procedure;
mod version;

pub use component::Component;
pub use procedure::{Talk, set_up};
pub use version::Version;
