//! Debugging another program: it is started, stops, is looked into and goes on.
//!
//! ```no_run
//! use gatehouse_runtime::abi::{ANY_CPU, Error};
//! use gatehouse_runtime::debugger::Debugger;
//! use gatehouse_runtime::{message, println};
//!
//! fn stop_at(address: u64) -> Result<(), Error> {
//!     // SAFETY: this is the first thread.
//!     let debugger = Debugger::new(unsafe { message::first_utcb() })?;
//!     let child = debugger.start("victim", 0, ANY_CPU)?;
//!     let mut breakpoint = child.breakpoint(address)?;
//!     child.resume()?;
//!     let stop = debugger.wait()?;
//!     println!("{:?}: rip {:#x}", stop.reason(), stop.registers()?.instruction_pointer);
//!     let stop = debugger.step_over(&child, stop, &mut breakpoint)?;
//!     stop.resume()
//! }
//! ```
//!
//! `docs/debugger.md` explains every step.

mod calls;
mod debuggee;
mod session;
mod stop;

pub use calls::Watch;
pub use debuggee::{Breakpoint, Debuggee, INT3};
pub use session::{Attachment, Debugger};
pub use stop::{Reason, Register, Stop, TRAP_FLAG};
