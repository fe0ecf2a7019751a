//! The trampoline: the page where a started CPU wakes in real mode and leaves in 64-bit mode.
//!
//! [`TrampolinePage::install`] copies the code (`code`) to a page below 1 MiB and fills the header in front of
//! it (`header`) with the kernel's [`Parameters`]. All CPUs run through the same page at the same time: the
//! code writes nothing but the CPU's own [`StartRecord`](crate::bring_up::StartRecord).

mod code;
mod header;
mod page;
mod parameters;

pub use page::TrampolinePage;
pub use parameters::{ParameterError, Parameters};
