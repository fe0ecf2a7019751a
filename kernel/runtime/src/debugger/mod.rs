//! Debugging another program: it is started, stops, is looked into and goes on.
//!
//! ```ignore
//! // SAFETY: this is the first thread.
//! let debugger = Debugger::new(unsafe { first_utcb() })?;
//! let mut child = debugger.start("victim", 0, ANY_CPU)?;
//! let mut breakpoint = child.breakpoint(address)?;
//! child.resume()?;
//! let stop = debugger.wait()?;
//! println!("{:?}: rip {:#x}", stop.reason(), stop.registers()?.instruction_pointer);
//! let stop = debugger.step_over(&child, stop, &mut breakpoint)?;
//! stop.resume()?;
//! ```
//!
//! `docs/debugger.md` explains every step.

mod calls;
mod debuggee;
mod session;
mod stop;

pub use calls::{
    Watch, clear_breakpoint, list_threads, open_thread, patch_memory, read_registers, unwatch, watch, write_registers,
};
pub use debuggee::{Breakpoint, Debuggee, INT3};
pub use session::{Attachment, Debugger};
pub use stop::{Reason, Register, Stop, TRAP_FLAG};
