//! Sweeps: something happens to a CPU at each instruction of a stretch of the kernel's code, one instruction a case, and afterwards
//! every register of the program that ran must be what it was, and the kernel's counters what they must be.
//!
//! ```text
//!  Stand: QEMU under its debugger stub, the program `sweep_target` at its mark
//!    │ path(strikes)    the instructions that the kernel executes from the last strike until it is back in the program
//!    │ survives(strikes)     one case
//!    └─ sweep(stand, name, before, at each instruction, events) ─► Tally: N of N
//! ```
//!
//! A strike is one or more events at one place. Each place is known to be reached: the machine stops there, and goes on into the
//! first event; the counters tell whether all events arrived.

mod case;
mod event;
mod stand;

pub use case::{Range, Tally, sweep};
pub use event::{Event, Strike};
pub use stand::{Place, Stand};
