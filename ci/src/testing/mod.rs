//! How `cargo xtask test` runs the tests: which there are, what each executable says, what it all comes to.
//!
//! ```text
//! targets (what has tests) ─> executables (built, run) ─> tally (what they said) ─> one line
//!                                        └ slots (boots share the host's processors)
//! ```
//!
//! cargo-nextest runs each test in a process of its own, and is one more thing to install; what it would replace is here
//! `executables`, and neither the models nor the boots' slots.

mod executables;
mod slots;
mod tally;
mod targets;

pub use executables::{Executable, build, cargo, cargo_here, run};
pub use slots::{Slots, Taken};
pub use tally::{End, Tally};
pub use targets::Targets;
